import { patience } from './patience.js';

/**
 * As `fetch`, but where no byte comes for a minute, before the answer or in the middle of it, the fetch and the reading
 * of its body reject.
 */
export async function fetchPatiently(url: string | URL, signal?: AbortSignal): Promise<Response> {
  const connection = new AbortController();
  const stop = () => connection.abort(signal!.reason);
  const silent = () => connection.abort(new Error(`nothing came for ${patience.silence / 1000} s`));
  let timer = setTimeout(silent, patience.silence);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(silent, patience.silence);
  };
  const end = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  };
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  try {
    const response = await fetch(url, { signal: connection.signal });
    if (!response.ok || !response.body) {
      end();
      return response;
    }
    heard();
    const { status, statusText, headers } = response;
    return new Response(watched(response.body, heard, end), { status, statusText, headers });
  } catch (error) {
    end();
    throw error;
  }
}

/** The same bytes; `heard` is called with each part, `end` behind the last and where the stream breaks off. */
function watched(body: ReadableStream<Uint8Array>, heard: () => void, end: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) {
          end();
          controller.close();
        } else {
          heard();
          controller.enqueue(value);
        }
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel(reason) {
      end();
      return reader.cancel(reason);
    },
  });
}
