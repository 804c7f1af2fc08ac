import { runModule } from './run-module.js';

addEventListener('message', async ({ data: { url, argument } }) => {
  try {
    postMessage({ result: await runModule(url, argument) });
  } catch (error) {
    postMessage({ error: error?.stack ?? String(error) });
  }
});
