# workerd with its Worker Loader, as one worker that runs the code it is sent.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "main", worker = .main) ],
  # The address is given on the command line.
  sockets = [ (name = "http", http = (), service = "main") ],
);

const main :Workerd.Worker = (
  modules = [ (name = "worker.js", esModule = embed "worker.js") ],
  compatibilityDate = "2025-11-01",
  bindings = [ (name = "LOADER", workerLoader = (id = "peers")) ],
);
