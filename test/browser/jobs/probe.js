/** What the place it runs in can do, and a few floats, to test the harness itself. */
export default async function probe({ values, fail }) {
  if (fail) throw new TypeError(`asked to fail: ${fail}`);
  return {
    worker: typeof document === 'undefined',
    isolated: globalThis.crossOriginIsolated,
    evalAllowed: allowsEval(),
    wasmAllowed: WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])) && Boolean(await compileEmpty()),
    values: Float32Array.from(values, (value) => (value === null ? Number.NaN : value)),
  };
}

function allowsEval() {
  try {
    return new Function('return true')();
  } catch {
    return false;
  }
}

const compileEmpty = () => WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
