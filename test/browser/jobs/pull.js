/**
 * Downloads a file with the library's `pullWeights` into the browser's own file system, and lists what is there then.
 *
 * @param {object} argument
 * @param {string} argument.library URL of dist/index.js
 * @param {object} argument.entry what is downloaded, as in the manifest
 * @param {string} argument.url where it is
 * @param {{ bytes: number[], validator: string }} [argument.part] a download that was broken off
 * @param {string} [argument.copyTo] the published weights as whose file it is copied and inspected
 * @returns {Promise<{ error?: { code: string, message: string }, files: Record<string, number>, parameters?: number }>}
 */
export default async function pull({ library, entry, url, part, copyTo }) {
  const { pullWeights, publishedWeights, inspect } = await import(/* @vite-ignore */ library);
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('atrous-cam', { create: true });
  const put = async (/** @type {string} */ name, /** @type {Blob | string} */ content) => {
    const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
    await writable.write(content);
    await writable.close();
  };
  if (part) {
    await put(`${entry.file}.part`, new Blob([new Uint8Array(part.bytes)]));
    await put(`${entry.file}.part.json`, JSON.stringify({ url, validator: part.validator }));
  }
  /** @type {Awaited<ReturnType<typeof pull>>} */
  const result = { files: {} };
  try {
    const { path } = await pullWeights(entry, { url, retries: 2, retryDelay: 1 });
    if (copyTo) {
      const { file } = (await publishedWeights()).find((/** @type {{ name: string }} */ { name }) => name === copyTo);
      await put(file, await (await folder.getFileHandle(path)).getFile());
      result.parameters = (await inspect(copyTo)).parameters;
    }
  } catch (error) {
    const { code, message } = /** @type {{ code: string, message: string }} */ (error);
    result.error = { code, message };
  }
  for await (const [name, handle] of folder.entries()) result.files[name] = (await handle.getFile()).size;
  return result;
}
