import { proxy, type Remote, wrap } from 'comlink';
import { addressOf, RANGES, type Settings, settingsFrom } from '../settings.ts';
import type { Missing, Snapshot } from '../snapshot.ts';
import type { Api } from '../worker/api.ts';
import { createConfusionPanel } from './confusion.ts';
import { createControls } from './controls.ts';
import { createCurves } from './curves.ts';
import { createDigitPanel } from './digit.ts';
import { setText } from './dom.ts';
import { createDownloadsPanel } from './downloads.ts';
import { createFiltersPanel } from './filters.ts';
import { createKernelsPanel } from './kernels.ts';
import { missingParts } from './missing.ts';
import { showNotice } from './notices.ts';
import type { Panel } from './panel.ts';
import { createRun } from './run.ts';
import { startWorker } from './start-worker.ts';
import { showSupport } from './support.ts';

const byId = (id: string) => document.getElementById(id)!;
/** The element for a panel of the page. */
const panelOf = (id: string) => byId(id).querySelector<HTMLElement>('.panel')!;

/** Shows that training is no longer possible. */
function stop(message: string): void {
  setText(byId('state'), 'Stopped');
  showNotice(message);
}

function writeAddress(settings: Settings): void {
  history.replaceState(null, '', `${location.pathname}?${addressOf(settings)}`);
}

async function start(): Promise<void> {
  const worker: Remote<Api> = wrap<Api>(startWorker('./worker.js', stop));
  const configure = (settings: Settings, options?: { play?: boolean; restart?: boolean }) => {
    writeAddress(settings);
    return worker.configure(settings, options);
  };
  const change = (settings: Settings, options?: { restart: boolean }) => {
    byId('notices').replaceChildren(); // notices of the previous network
    return configure(settings, options);
  };
  const controls = createControls(byId('controls').querySelector('form')!, (settings) => change(settings));
  const panels: Panel[] = [
    createRun(byId('run'), worker, {
      startOver: () => change(controls.settings, { restart: true }),
      nextSeed() {
        const { seed } = controls.settings;
        controls.show({ ...controls.settings, seed: seed < RANGES.seed[1] ? seed + 1 : 0 });
        return change(controls.settings);
      },
    }),
    createCurves(panelOf('curves')),
    createFiltersPanel(panelOf('filters'), worker),
    createConfusionPanel(panelOf('confusion'), worker),
    createDigitPanel(panelOf('digit'), worker),
    createDownloadsPanel(panelOf('downloads'), worker),
    createKernelsPanel(panelOf('kernels'), worker),
  ];
  await worker.connect(
    proxy((snapshot: Snapshot) => {
      for (const panel of panels) panel.update(snapshot);
    }),
    proxy(showNotice),
    proxy((message: string, missing: Missing | null) => void showFailure(message, missing)),
  );
  // A page that is opened without settings continues the last training.
  const last = location.search === '' ? await worker.lastAddress() : null;
  const { settings, problems } = settingsFrom(new URLSearchParams(last ?? location.search));
  for (const problem of problems) showNotice(problem);
  controls.show(settings);
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') void worker.checkpointSoon(); // the tab may be about to close
  });
  await configure(settings);
}

async function showFailure(message: string, missing: Missing | null): Promise<void> {
  if (missing) showSupport(byId('support'), await missingParts(missing, message, navigator, self));
  else showNotice(message);
}

// Errors that no panel catches are shown too.
addEventListener('unhandledrejection', ({ reason }) =>
  showNotice(reason instanceof Error ? reason.message : String(reason)),
);
void start();
