/** The minified build is half the size of the package's entry; its types are the package's. */
declare module 'opentype.js/dist/opentype.min.mjs' {
  export * from 'opentype.js';
}
