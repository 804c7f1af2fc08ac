/** What the contact sheet looks like. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --card: #f4f5f6; --line: #d5d8dc; --text: #202124; --soft: #5b6066; --bar: #2a6fdb; --warn: #9a3412; --opacity: .75; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181b; --card: #202327; --line: #3a3f45; --text: #e8eaed; --soft: #a3a9b0; --bar: #7cacf8; --warn: #f7a072; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.4 system-ui, sans-serif; }
header { padding: 1rem 1.25rem .25rem; }
h1 { margin: 0 0 .25rem; font-size: 1.3rem; overflow-wrap: anywhere; }
p { margin: .2rem 0; color: var(--soft); max-width: 75ch; }
form { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: center; padding: .6rem 1.25rem; background: var(--ground); border-bottom: 1px solid var(--line); }
label { display: inline-flex; gap: .4rem; align-items: center; }
select, input { font: inherit; max-width: 14rem; accent-color: var(--bar); }
select, input[type=search] { padding: .2rem .4rem; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .3rem; }
output { color: var(--soft); }
ul { list-style: none; display: grid; grid-template-columns: repeat(auto-fill, minmax(10.75rem, 1fr)); gap: .8rem; margin: 0; padding: 1rem 1.25rem 2rem; }
li { padding: .5rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; min-width: 0; }
li[hidden] { display: none; }
.picture { position: relative; display: grid; place-items: center; height: 10rem; border-radius: .3rem; }
.stack { position: relative; display: block; max-width: 100%; }
.stack img { display: block; max-width: 100%; max-height: 10rem; }
.stack .map { position: absolute; inset: 0; width: 100%; height: 100%; opacity: var(--opacity); }
.stack .map:not(.shown), .plain .map, .stack:hover .map { visibility: hidden; }
a:focus-visible, select:focus-visible, input:focus-visible { outline: 3px solid var(--bar); outline-offset: 2px; }
h2 { margin: .45rem 0 .2rem; font-size: .9rem; font-weight: 600; overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
dl { margin: 0; font-size: .85rem; }
dl div { display: grid; grid-template-columns: 1fr auto; gap: 0 .5rem; padding-bottom: .2rem; }
dl div::after { content: ''; grid-column: 1 / -1; height: 3px; border-radius: 2px; background: linear-gradient(var(--bar) 0 0) 0 / var(--share) 100% no-repeat var(--line); }
dt { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
.note { color: var(--warn); font-size: .85rem; overflow-wrap: anywhere; }
@media (max-width: 36rem) { form { position: static; } ul { grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .5rem; padding-inline: .75rem; } }
@media print { form { position: static; } li { break-inside: avoid; } }
`;

/** What sorts and filters it; without scripts the sheet stands in the order of its files. */
export const SCRIPT = `
const form = document.querySelector('form');
const list = document.querySelector('ul');
const cards = [...list.children];
const field = (name) => form.elements.namedItem(name);
const order = new Intl.Collator(undefined, { numeric: true });
const number = (card, name) => card.dataset[name] === undefined ? Infinity : Number(card.dataset[name]);
const sorts = {
  file: () => 0,
  name: (a, b) => order.compare(a.dataset.name, b.dataset.name),
  class: (a, b) => order.compare(a.dataset.class ?? '\\uffff', b.dataset.class ?? '\\uffff') || number(b, 'probability') - number(a, 'probability') || 0,
  weak: (a, b) => (number(a, 'evidence') - number(b, 'evidence')) || 0,
};
function show() {
  const by = sorts[field('sort').value];
  const text = field('text').value.trim().toLowerCase();
  const chosen = field('class').value;
  const mode = field('mode')?.value;
  let count = 0;
  for (const card of cards) {
    const fits = (!chosen || card.dataset.class === chosen.slice(1)) && card.dataset.text.includes(text);
    card.hidden = !fits;
    if (fits) count++;
    if (mode) for (const map of card.querySelectorAll('.map')) map.classList.toggle('shown', map.dataset.mode === mode);
  }
  list.append(...cards.map((card, i) => [card, i]).sort(([a, i], [b, j]) => by(a, b) || i - j).map(([card]) => card));
  list.classList.toggle('plain', !field('maps').checked);
  document.documentElement.style.setProperty('--opacity', field('opacity').value / 100);
  document.querySelector('output').value = count === cards.length ? count + ' pictures' : count + ' of ' + cards.length + ' pictures';
}
form.hidden = false;
form.addEventListener('input', show);
form.addEventListener('submit', (event) => event.preventDefault());
show();
`;
