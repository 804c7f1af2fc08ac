/**
 * SHA-256 of files as the browser gets them.
 *
 * @param {{ urls: string[] }} argument
 * @returns {Promise<string[]>} in hexadecimal
 */
export default async function hash({ urls }) {
  const digest = async (url) =>
    new Uint8Array(await crypto.subtle.digest('SHA-256', await (await fetch(url)).arrayBuffer()));
  const digests = await Promise.all(urls.map(digest));
  return digests.map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''));
}
