using Workerd = import "/workerd/workerd.capnp";

# worker.js bundled into one file, such as by
#   esbuild worker.js --bundle --format=esm --outfile=bundle/worker.js --external:*.wasm
# and dist/wasm/simd.wasm of the package beside it: workerd serve config.capnp
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:8080", http = (), service = "main")]
);

const main :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "bundle/worker.js"),
    (name = "atrous-cam/wasm/simd.wasm", wasm = embed "bundle/simd.wasm")
  ],
  compatibilityDate = "2026-01-01"
);
