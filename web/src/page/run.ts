import type { Remote } from 'comlink';
import type { Snapshot } from '../snapshot.ts';
import type { Api } from '../worker/api.ts';

const STATES = { opening: 'Opening the network', paused: 'Paused', training: 'Training', failed: 'Stopped' } as const;

function stateOf({ state, isCompiled, step }: Snapshot): string {
  if (state === 'opening' || state === 'failed') return STATES[state];
  if (!isCompiled) return `${STATES[state]}, compiling the kernels`;
  return state === 'paused' && step === 0 ? 'Paused before the first step' : STATES[state];
}

/** Buttons for play, pause, one step and start over; the state as text, and metrics of the training. */
export function createRun(root: HTMLElement, worker: Remote<Api>, actions: { startOver(): void; nextSeed(): void }) {
  const button = (id: string) => root.querySelector<HTMLButtonElement>(`#${id}`)!;
  const [play, step, restart, nextSeed] = [button('play'), button('step'), button('restart'), button('next-seed')];
  const state = root.querySelector<HTMLElement>('#state')!;
  const figures = root.querySelector<HTMLElement>('#figures')!;
  let isTraining = false;
  play.addEventListener('click', () => void (isTraining ? worker.pause() : worker.play()));
  step.addEventListener('click', () => void worker.step());
  restart.addEventListener('click', actions.startOver);
  nextSeed.addEventListener('click', actions.nextSeed);
  return {
    update(snapshot: Snapshot): void {
      isTraining = snapshot.state === 'training';
      const isReady = isTraining || snapshot.state === 'paused';
      play.textContent = isTraining ? 'Pause' : 'Train';
      for (const one of [play, step, restart, nextSeed]) one.disabled = !isReady;
      // Set only if it changes, because screen readers announce it.
      const text = stateOf(snapshot);
      if (state.textContent !== text) state.textContent = text;
      showFigures(figures, figuresOf(snapshot));
    },
  };
}

function figuresOf({ step, epoch, epochStep, stepsPerEpoch, curves, ...snapshot }: Snapshot): [string, string][] {
  const [train, test] = [curves.train.at(-1), curves.test.at(-1)];
  const rate = snapshot.samplesPerSecond;
  return [
    ['Step', `${step.toLocaleString('en')} (epoch ${epoch}, ${epochStep} of ${stepsPerEpoch})`],
    ['Training loss', train ? mean(train.loss).toFixed(4) : '-'],
    ['Training accuracy', train ? percent(mean(train.accuracy)) : '-'],
    [
      'Test accuracy',
      test ? `${percent(mean(test.accuracy))} (epoch ${test.step / stepsPerEpoch})` : 'after each epoch',
    ],
    ['Images a second', rate ? Math.round(rate).toLocaleString('en') : '-'],
    ['Parameters', snapshot.parameters.toLocaleString('en')],
    ['Adapter', snapshot.adapter || '-'],
  ];
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const percent = (share: number) => `${(100 * share).toFixed(1)}%`;

function showFigures(root: HTMLElement, figures: readonly [string, string][]): void {
  if (root.children.length === 0) {
    for (const [name] of figures) {
      const term = document.createElement('dt');
      term.textContent = name;
      root.append(term, document.createElement('dd'));
    }
  }
  for (const [i, [, value]] of figures.entries()) {
    const cell = root.children[2 * i + 1]!;
    if (cell.textContent !== value) cell.textContent = value;
  }
}
