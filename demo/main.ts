import { App } from './app.js';
import { takePicture } from './camera.js';
import { element } from './dom.js';
import { filesOf } from './dropped.js';

/** Connects the page's controls with the app. */

const app = new App();
const onClick = (id: string, action: () => unknown) =>
  element(id, HTMLButtonElement).addEventListener('click', () => void action());
const onFiles = (id: string, action: (files: readonly File[]) => unknown) => {
  const input = element(id, HTMLInputElement);
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    input.value = ''; // so that the same file can be chosen again
    if (files.length > 0) void action(files);
  });
};

element('settings', HTMLFormElement).addEventListener('input', ({ target }) => {
  const { name, type } = target as HTMLInputElement;
  if (name) app.formChanged(type === 'range');
});
element('settings', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
onFiles('photo-file', (files) => app.openFiles(files));
onFiles('weights-file', (files) => app.openFiles(files));
onFiles('labels-file', (files) => app.openFiles(files));
onClick('remove', () => app.removeNetwork());
onClick('sharpest', () => app.sharpen());
onClick('save-png', () => app.savePng());
onClick('save-npy', () => app.saveNpy());
onClick('measure', () => app.measure());
const camera = element('camera-open', HTMLButtonElement);
camera.hidden = !navigator.mediaDevices?.getUserMedia;
camera.addEventListener('click', async () => {
  const picture = await takePicture().catch((error) => app.complain(error));
  if (picture) await app.openFiles([picture]);
});

addEventListener('popstate', () => app.addressChanged());
addEventListener('paste', async ({ clipboardData }) => {
  await app.openFiles([...(clipboardData?.files ?? [])]);
});
const showDropping = (dropping: boolean) => element('stage', HTMLElement).classList.toggle('dropping', dropping);
addEventListener('dragover', (event) => {
  event.preventDefault();
  showDropping(true);
});
addEventListener('dragleave', ({ relatedTarget }) => relatedTarget === null && showDropping(false));
addEventListener('drop', async (event) => {
  event.preventDefault();
  showDropping(false);
  await filesOf(event.dataTransfer).then(
    (files) => app.openFiles(files),
    (error) => app.complain(error),
  );
});

void app.start();
