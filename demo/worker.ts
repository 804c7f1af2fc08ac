import { serve } from '../src/worker/serve.js';

/** The worker that loads networks and computes; it answers the calls of `load` from src/worker.ts. */
void serve();
