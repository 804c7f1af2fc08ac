import { AtrousCamError } from '../base/errors.js';
import { fetchPatiently } from '../base/fetch-patiently.js';

/**
 * What lies behind an address, fetched whole, as a blob, because browsers may keep it on disk. A chunk of its own, because most
 * sources are files. `subject` begins the messages of errors: NOT_FOUND, ABORTED.
 */
export async function blobAt(url: URL, subject: string, signal?: AbortSignal): Promise<Blob> {
  const failed = (cause: Error) => {
    if (signal?.aborted) throw new AtrousCamError('ABORTED', `${subject}: aborted`, { cause });
    throw new AtrousCamError('NOT_FOUND', `${subject}: cannot be fetched (${cause.message})`, { cause });
  };
  const response = await fetchPatiently(url, signal).catch(failed);
  if (!response.ok) throw new AtrousCamError('NOT_FOUND', `${subject}: the server answers ${response.status}`);
  return response.blob().catch(failed);
}
