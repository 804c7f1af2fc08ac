import { toError } from '../base/messages.js';
import { workerScope } from '../base/scope.js';
import type { DecoderName } from '../image/assets.js';
import type { AssetName } from '../weights/assets.js';

/**
 * Takes the place of src/weights/assets.ts and src/image/assets.ts in the code that is started from text: there are no files beside it, so the thread that started
 * the worker loads the data and transfers it.
 */
export async function loadAsset(name: AssetName | DecoderName): Promise<Uint8Array> {
  const scope = await workerScope();
  if (!scope) throw new Error('internal: the code of the worker runs elsewhere');
  return new Promise((resolve, reject) => {
    scope.listen((request) => {
      if (request.type !== 'asset' || request.name !== name) return;
      if (request.bytes) resolve(request.bytes);
      else reject(toError(request.error!));
    });
    scope.post({ type: 'asset', name });
  });
}
