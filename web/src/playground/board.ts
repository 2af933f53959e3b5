import { colorMap, LEVELS, type Scheme } from './colors.ts';
import { drawData, HALF_WIDTH, joinPoints, type Point, type Points, pointsOf } from './data.ts';
import type { Look } from './look.ts';
import { roundCoordinate, togglePoint } from './own-points.ts';
import { paintPlane } from './paint.ts';
import { MAX_POINTS, type Settings } from './settings.ts';
import { CLASSES, placeText, surfaceText } from './words.ts';

const KEYS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Shown until the first results of the networks. */
const UNKNOWN = { surface: [0.5, 0.5, 0.5, 0.5], boundaries: [] };

/** The plane with surface and points; users place points by pointer or keyboard. */
export function createBoard(
  root: HTMLElement,
  events: { onPoints(points: readonly Point[]): void; onNotice(message: string): void },
) {
  root.innerHTML = `
    <canvas class="plane" id="plane" tabindex="0" role="application" aria-describedby="plane-help"></canvas>
    <p class="place" id="place" aria-live="polite"></p>
    <div class="legend">
      <span>100% ${CLASSES[0].color}</span><div class="bar"></div><span>100% ${CLASSES[1].color}</span>
      <p id="plane-caption"></p>
    </div>
    <fieldset class="tools">
      <legend>Place a point:</legend>
      ${CLASSES.map(
        ({ color, shape }, label) =>
          `<label><input type="radio" name="label" value="${label}"${label === 0 ? ' checked' : ''}>${color} ${shape}</label>`,
      ).join('')}
    </fieldset>
    <div class="tools">
      <label><input type="checkbox" id="show-test" checked>show test points</label>
      <button type="button" id="remove-points" disabled>Remove my points</button>
    </div>
    <p class="hint" id="plane-help">Click the surface to train on another point there; click it again to take it away. By keyboard: arrow keys
      move the cursor, with Shift further, and Enter places a point.</p>`;
  const find = <T extends HTMLElement>(selector: string) => root.querySelector<T>(selector)!;
  const plane = find<HTMLCanvasElement>('#plane');
  const bar = find('.bar');
  const place = find('#place');
  const removeAll = find<HTMLButtonElement>('#remove-points');
  const showTest = find<HTMLInputElement>('#show-test');
  const dark = matchMedia('(prefers-color-scheme: dark)');

  let settings: Settings | null = null;
  let data: { training: Points; test: Points } = { training: pointsOf([]), test: pointsOf([]) };
  let look: Look | null = null;
  let cursor: { x: number; y: number } | null = null;
  let lastCursor = { x: 0, y: 0 };

  const scheme = (): Scheme => (dark.matches ? 'dark' : 'light');
  const chosen = () => Number(find<HTMLInputElement>('[name=label]:checked').value);

  function paint(): void {
    const size = Math.max(1, Math.round(plane.clientWidth * devicePixelRatio));
    if (plane.width !== size) plane.width = plane.height = size;
    const test = showTest.checked ? data.test : pointsOf([]);
    const { surface, boundaries } = look ?? UNKNOWN;
    paintPlane(plane, { surface, boundaries, training: data.training, test, cursor }, scheme());
  }

  function paintBar(): void {
    const map = colorMap(scheme());
    const stops = Array.from({ length: 17 }, (_, i) => {
      const level = 3 * Math.round((i / 16) * (LEVELS - 1));
      return `rgb(${map.subarray(level, level + 3).join(' ')})`;
    });
    bar.style.background = `linear-gradient(to right, ${stops.join(', ')})`;
  }

  function toggle(x: number, y: number): void {
    if (!settings) return;
    const points = togglePoint(settings.points, { x, y, label: chosen() });
    if (points.length <= MAX_POINTS) events.onPoints(points);
    else events.onNotice(`There is room for ${MAX_POINTS} points of your own; take one away first.`);
  }

  const placeOf = ({ clientX, clientY }: MouseEvent) => {
    const { left, top, width, height } = plane.getBoundingClientRect();
    const [x, y] = [(clientX - left) / width, (clientY - top) / height];
    return { x: HALF_WIDTH * (2 * x - 1), y: HALF_WIDTH * (1 - 2 * y) };
  };
  const sayPlace = ({ x, y }: { x: number; y: number }) => {
    if (look) place.textContent = placeText(roundCoordinate(x), roundCoordinate(y), look.surface);
  };

  plane.addEventListener('click', (event) => {
    const { x, y } = placeOf(event);
    toggle(x, y);
  });
  plane.addEventListener('pointermove', (event) => sayPlace(placeOf(event)));
  plane.addEventListener('pointerleave', () => {
    place.textContent = '';
  });
  plane.addEventListener('keydown', (event) => {
    const move = KEYS[event.key];
    const isPlaced = event.key === 'Enter' || event.key === ' ';
    if (!move && !isPlaced) return;
    event.preventDefault();
    cursor ??= lastCursor;
    const far = event.shiftKey ? 0.5 : 0.1;
    if (move) cursor = { x: roundCoordinate(cursor.x + far * move[0]), y: roundCoordinate(cursor.y + far * move[1]) };
    lastCursor = cursor;
    if (isPlaced) toggle(cursor.x, cursor.y);
    sayPlace(cursor);
    paint();
  });
  plane.addEventListener('blur', () => {
    cursor = null;
    paint();
  });
  showTest.addEventListener('change', paint);
  removeAll.addEventListener('click', () => events.onPoints([]));
  dark.addEventListener('change', () => {
    paintBar();
    paint();
  });
  new ResizeObserver(paint).observe(plane);
  paintBar();

  return {
    /** Applies settings and draws their points at once. */
    configure(next: Settings): void {
      settings = next;
      const drawn = drawData(next);
      data = { training: joinPoints(drawn.training, pointsOf(next.points)), test: drawn.test };
      removeAll.disabled = next.points.length === 0;
      const boundary =
        next.replicas === 1
          ? 'On the line both are equally likely.'
          : `The surface is the mean of ${next.replicas} networks; on each line, both are equally likely for one of them.`;
      find('#plane-caption').textContent =
        `${boundary} Training points are filled, test points are outlines: ${CLASSES[0].shape}s are ${CLASSES[0].color}, ${CLASSES[1].shape}s ${CLASSES[1].color}.`;
      paint();
    },
    update(next: Look): void {
      look = next;
      plane.setAttribute('aria-label', `Decision surface after step ${next.step}. ${surfaceText(next.surface)}`);
      paint();
    },
  };
}
