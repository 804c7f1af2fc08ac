import { App } from './app.js';
import { element } from './dom.js';

/** Connects the page's controls with the app. */

const app = new App();
const onClick = (id: string, action: () => unknown) =>
  element(id, HTMLButtonElement).addEventListener('click', () => void action());
const onFile = (id: string, action: (file: File) => unknown) => {
  const input = element(id, HTMLInputElement);
  input.addEventListener('change', () => {
    const file = input.files?.[0];
    input.value = ''; // so that the same file can be chosen again
    if (file) void action(file);
  });
};

element('settings', HTMLFormElement).addEventListener('input', ({ target }) => {
  if ((target as HTMLInputElement).name) app.formChanged();
});
element('settings', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
element('samples', HTMLElement).addEventListener('click', ({ target }) => {
  const name = (target as Element).closest('button')?.value;
  if (name) void app.openSample(name);
});
onFile('photo-file', (file) => app.openFile(file));
onFile('weights-file', (file) => app.openWeights(file));
onClick('remove', () => app.removeNetwork());
onClick('save-png', () => app.savePng());
onClick('save-npy', () => app.saveNpy());
onClick('measure', () => app.measure());

addEventListener('hashchange', () => app.addressChanged());
addEventListener('paste', ({ clipboardData }) => {
  const file = clipboardData?.files[0];
  if (file) void app.openFile(file);
});
const showDropping = (dropping: boolean) => element('stage', HTMLElement).classList.toggle('dropping', dropping);
addEventListener('dragover', (event) => {
  event.preventDefault();
  showDropping(true);
});
addEventListener('dragleave', ({ relatedTarget }) => relatedTarget === null && showDropping(false));
addEventListener('drop', (event) => {
  event.preventDefault();
  showDropping(false);
  const file = event.dataTransfer?.files[0];
  if (file) void app.openFile(file);
});

void app.start();
