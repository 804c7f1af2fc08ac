/**
 * Whether a file's name ends like that of a picture that can be decoded: what a folder's pictures are. What a file is, its content says.
 *
 * @param name of a file, or a path
 */
export const isPictureName = (name: string): boolean =>
  /\.(a?png|jpe?g|jpe|jfif|pjpeg|pjp|webp|gif|bmp|dib|avif)$/i.test(name);
