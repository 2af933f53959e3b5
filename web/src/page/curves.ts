import type { CurvePoint, Curves, Snapshot } from '../snapshot.ts';

const WIDTH = 420;
const HEIGHT = 200;
const MARGIN = { left: 44, right: 8, top: 8, bottom: 24 };

type Measure = 'loss' | 'accuracy';

/** Loss and accuracy over the steps: the mean of the networks as a line, and all of them as a band around it. */
export function createCurves(root: HTMLElement) {
  root.classList.add('charts');
  const charts = (['loss', 'accuracy'] as const).map((measure) => {
    const figure = document.createElement('figure');
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute('role', 'img');
    const caption = document.createElement('figcaption');
    figure.append(svg, caption);
    root.append(figure);
    return { measure, svg, caption };
  });
  let shown: Curves | null = null;
  return {
    update({ curves }: Pick<Snapshot, 'curves'>): void {
      if (shown && isSame(curves, shown)) return;
      shown = curves;
      for (const { measure, svg, caption } of charts) {
        svg.innerHTML = chart(curves, measure);
        const [train, test] = [lastOf(curves.train, measure), lastOf(curves.test, measure)];
        const name = NAMES[measure];
        svg.setAttribute('aria-label', `${name} over the steps: training ${train}, test ${test}`);
        caption.innerHTML = `${name}: <b class="train">training</b> ${train}, <b class="test">test</b> (dashed) ${test}`;
      }
    },
  };
}

const NAMES = { loss: 'Loss', accuracy: 'Accuracy' } as const;

/** Whether nothing was added, by comparing the last points. */
const isSame = (a: Curves, b: Curves): boolean =>
  (['train', 'test'] as const).every((kind) => {
    const [x, y] = [a[kind].at(-1), b[kind].at(-1)];
    return x?.step === y?.step && x?.loss[0] === y?.loss[0] && x?.loss.length === y?.loss.length;
  });

/** The last value, or the smallest and the largest of several networks. */
function lastOf(points: CurvePoint[], measure: Measure): string {
  const values = points.at(-1)?.[measure];
  if (!values) return '-';
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length > 1 ? `${least.toFixed(3)} to ${most.toFixed(3)}` : least.toFixed(3);
}

function chart({ train, test }: Curves, measure: Measure): string {
  const steps = Math.max(10, train.at(-1)?.step ?? 0, test.at(-1)?.step ?? 0);
  const values = [...train, ...test].flatMap((point) => point[measure]).filter(Number.isFinite);
  const top = measure === 'accuracy' ? 1 : values.length > 0 ? roundUp(Math.max(0.1, ...values)) : 2.4;
  const x = (step: number) => MARGIN.left + (step / steps) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value: number) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => share * top);
  const grid = ticks
    .map(
      (tick) =>
        `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(tick)}" y2="${y(tick)}"/>` +
        `<text x="${MARGIN.left - 6}" y="${y(tick) + 4}" text-anchor="end">${tick.toFixed(2)}</text>`,
    )
    .join('');
  const axis =
    `<text x="${MARGIN.left}" y="${HEIGHT - 6}">0</text>` +
    `<text x="${WIDTH - MARGIN.right}" y="${HEIGHT - 6}" text-anchor="end">step ${steps.toLocaleString('en')}</text>`;
  return grid + axis + curve('train', train, measure, x, y) + curve('test', test, measure, x, y);
}

/** The next larger number whose quarters have at most two digits. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1.2, 1.6, 2, 2.4, 2.8, 3.2, 4, 4.8, 6, 8, 12].find((top) => top * power >= value)!;
}

function curve(
  kind: string,
  points: CurvePoint[],
  measure: Measure,
  x: (step: number) => number,
  y: (value: number) => number,
): string {
  const at = (point: CurvePoint, of: (...values: number[]) => number) =>
    `${x(point.step).toFixed(1)},${y(of(...point[measure])).toFixed(1)}`;
  const shown = points.filter((point) => point[measure].every(Number.isFinite));
  const mean = (...list: number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const line = shown.map((point) => at(point, mean)).join(' ');
  const isBand = (shown[0]?.[measure].length ?? 1) > 1;
  const edge = [
    ...shown.map((point) => at(point, Math.max)),
    ...shown.map((point) => at(point, Math.min)).reverse(),
  ].join(' ');
  const band = isBand ? `<polygon class="${kind} band" points="${edge}"/>` : '';
  const [first] = shown;
  // A line needs two points.
  const dot =
    first && shown.length === 1
      ? `<circle class="${kind}" cx="${x(first.step)}" cy="${y(mean(...first[measure]))}" r="2.5"/>`
      : '';
  return `${band}<polyline class="${kind}" points="${line}"/>${dot}`;
}
