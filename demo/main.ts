import { App } from './app.js';
import { element } from './dom.js';

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
  if ((target as HTMLInputElement).name) app.formChanged();
});
element('settings', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
element('samples', HTMLElement).addEventListener('click', ({ target }) => {
  const name = (target as Element).closest('button')?.value;
  if (name) void app.openSample(name);
});
onFiles('photo-file', (files) => app.openFiles(files));
onFiles('weights-file', (files) => app.openWeights(files));
onClick('remove', () => app.removeNetwork());
onClick('save-png', () => app.savePng());
onClick('save-npy', () => app.saveNpy());
onClick('measure', () => app.measure());

addEventListener('hashchange', () => app.addressChanged());
addEventListener('paste', ({ clipboardData }) => {
  void app.openFiles([...(clipboardData?.files ?? [])]);
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
  void app.openFiles([...(event.dataTransfer?.files ?? [])]);
});

void app.start();
