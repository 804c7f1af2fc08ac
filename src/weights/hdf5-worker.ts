import { errorData } from '../base/messages.js';
import { type Scope, workerScope } from '../base/scope.js';
import { type Hdf5File, isTrap, openHdf5 } from './hdf5.js';
import { type Hdf5Reply, type Hdf5Request, mapTensors } from './hdf5-messages.js';
import { mapContents, readKerasContents } from './keras/contents.js';
import { readKerasNetwork } from './keras.js';
import { type SyncSource, sourceAt } from './source.js';
import type { RawTensor } from './tensor.js';

/** The worker that reads Keras files for src/weights/keras-file.ts, where the C library may hang or trap and harms nobody. */
let source: SyncSource | undefined;
let file: Hdf5File | undefined;
let tensors: RawTensor[] = [];

async function open({ as, file: place, name, size, library }: Hdf5Request & { type: 'open' }) {
  source = await sourceAt(place, name, size);
  file = await openHdf5(source, async () => library!);
  tensors = [];
  const number = (tensor: RawTensor) => ({
    tensor: tensors.push(tensor) - 1,
    name: tensor.name,
    shape: tensor.shape,
  });
  if (as === 'vgg') return mapTensors(readKerasNetwork(file), number);
  const contents = readKerasContents(file);
  return contents && mapContents(contents, number);
}

async function read({ tensor, first, length, spare }: Hdf5Request & { type: 'read' }) {
  const bytes = 4 * length;
  const values = new Float32Array(spare && spare.byteLength >= bytes ? spare : new ArrayBuffer(bytes), 0, length);
  await tensors[tensor].readRows(first, values);
  return values;
}

async function answer(request: Hdf5Request, { post }: Scope<Hdf5Request, Hdf5Reply>): Promise<void> {
  if (request.type === 'close') {
    file?.close();
    source?.close?.();
    return;
  }
  const { id } = request;
  try {
    if (request.type === 'open') post({ type: 'result', id, value: await open(request) });
    else {
      const values = await read(request);
      post({ type: 'result', id, value: values }, [values.buffer]);
    }
  } catch (error) {
    post({ type: 'error', id, error: errorData(error), broken: isTrap(error) });
  }
}

void workerScope<Hdf5Request, Hdf5Reply>().then((scope) => {
  scope!.listen((request) => void answer(request, scope!));
  scope!.post({ type: 'ready' });
});
