import { element } from './dom.js';
import { PageError } from './messages.js';

/** Shows what the camera sees and resolves to the frame that is taken; undefined where the visitor closes it. Throws PageError NO_CAMERA. */
export async function takePicture(): Promise<File | undefined> {
  const dialog = element('camera', HTMLDialogElement);
  const video = element('camera-video', HTMLVideoElement);
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 960 } });
  } catch (error) {
    throw new PageError('NO_CAMERA', (error as Error).message || 'it cannot be used');
  }
  try {
    video.srcObject = stream;
    await video.play();
    dialog.returnValue = '';
    dialog.showModal();
    await new Promise((done) => dialog.addEventListener('close', done, { once: true }));
    if (dialog.returnValue !== 'take') return undefined;
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext('2d')!.drawImage(video, 0, 0);
    const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.92 });
    return new File([blob], 'camera.jpg', { type: 'image/jpeg' });
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}
