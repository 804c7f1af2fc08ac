/** The bytes of a file of the repository as base64 text, put there by scripts/embed.js. */
declare module 'embed:*' {
  const base64: string;
  export default base64;
}
