import { proxy, type Remote, wrap } from 'comlink';
import { createCurves } from '../page/curves.ts';
import { missingParts } from '../page/missing.ts';
import { showNotice } from '../page/notices.ts';
import { startWorker } from '../page/start-worker.ts';
import { showSupport } from '../page/support.ts';
import { createBoard } from './board.ts';
import { createControls } from './controls.ts';
import { CurveHistory } from './curve-history.ts';
import type { Look } from './look.ts';
import type { Update } from './player.ts';
import { addressOf, MAX_SEED, readAddress, type Settings } from './settings.ts';
import { createUnits } from './units.ts';
import { scoreText, summaryOf } from './words.ts';
import type { PlaygroundApi } from './worker.ts';

/** Milliseconds between summaries for screen readers during training. */
const SUMMARY_MS = 15_000;

const byId = (id: string) => document.getElementById(id)!;
/** The element for a panel of the page. */
const panelOf = (id: string) => byId(id).querySelector<HTMLElement>('.panel')!;
const button = (id: string) => byId(id) as HTMLButtonElement;

const worker: Remote<PlaygroundApi> = wrap<PlaygroundApi>(
  startWorker('./playground-worker.js', (message) => {
    byId('state').textContent = 'Stopped';
    showNotice(message);
  }),
);
/** Shows errors of the worker in the page. */
const run = (call: Promise<unknown>) => void call.catch((error: Error) => showNotice(error.message));

const { settings: first, problems } = readAddress(location.search);
let settings: Settings = first;
let isPlaying = false;
let adapter = '';
let summaryTime = 0;
const curves = new CurveHistory();

const controls = createControls(byId('controls').querySelector('form')!, change);
const board = createBoard(panelOf('surface'), {
  onPoints: (points) => change({ ...settings, points }),
  onNotice: showNotice,
});
const units = createUnits(panelOf('units'), (layers) => change({ ...settings, layers }));
const charts = createCurves(panelOf('curves'));

function show(next: Settings): void {
  settings = next;
  for (const part of [board, units]) part.configure(next);
  controls.show(next);
}

function change(next: Settings): void {
  show(next);
  const query = addressOf(next);
  history.replaceState(null, '', query === '' ? location.pathname : `${location.pathname}?${query}`);
  run(worker.configure(next));
}

function showState(): void {
  const text = isPlaying ? 'Training' : 'Paused';
  const state = byId('state');
  if (state.textContent !== text) state.textContent = text; // set only if it changes, because screen readers announce it
  button('play').textContent = isPlaying ? 'Pause' : 'Train';
}

function showFigures(look: Look): void {
  const [training, test] = [scoreText(look.training), scoreText(look.test)];
  const figures = {
    Epoch: look.epoch.toFixed(1),
    Step: look.step.toLocaleString('en'),
    'Training loss': training.loss,
    'Test loss': test.loss,
    'Training accuracy': training.accuracy,
    'Test accuracy': test.accuracy,
    Adapter: adapter || '-',
  };
  const list = byId('figures');
  if (list.children.length === 0) {
    for (const name of Object.keys(figures)) {
      const term = document.createElement('dt');
      term.textContent = name;
      list.append(term, document.createElement('dd'));
    }
  }
  for (const [i, value] of Object.values(figures).entries()) list.children[2 * i + 1]!.textContent = value;
}

/** Shows an update, and resolves when the browser has drawn it. */
function report(update: Update): Promise<void> {
  ({ isPlaying } = update);
  showState();
  if (update.notice) showNotice(update.notice);
  const { look } = update;
  if (look) {
    board.update(look);
    units.update(look);
    curves.add(look);
    charts.update(curves);
    showFigures(look);
    if (!isPlaying || performance.now() - summaryTime > SUMMARY_MS) {
      byId('summary').textContent = summaryOf(look);
      summaryTime = performance.now();
    }
  }
  return new Promise((resolve) => {
    if (document.hidden) resolve();
    else requestAnimationFrame(() => resolve());
  });
}

async function start(): Promise<void> {
  show(first);
  for (const problem of problems) showNotice(problem);
  const started = await worker.start(first, proxy(report));
  if (started.missing) {
    byId('state').textContent = 'Stopped';
    showSupport(byId('support'), await missingParts(started.missing, started.message, navigator, self));
    return;
  }
  if (settings !== first) run(worker.configure(settings)); // changed while the device was opened
  adapter = started.adapter;
  byId('figures').lastElementChild!.textContent = adapter;
  button('play').addEventListener('click', () => run(isPlaying ? worker.pause() : worker.play()));
  button('step').addEventListener('click', () => run(worker.advance(1)));
  button('epoch').addEventListener('click', () => run(worker.advance('epoch')));
  button('restart').addEventListener('click', () => run(worker.restart()));
  button('next-seed').addEventListener('click', () =>
    change({ ...settings, seed: (settings.seed + 1) % (MAX_SEED + 1) }),
  );
  for (const id of ['play', 'step', 'epoch', 'restart', 'next-seed']) button(id).disabled = false;
}

run(start());
