import type { Remote } from 'comlink';
import type { Api } from '../worker/api.ts';
import type { FirstFilters } from '../worker/filters.ts';
import { create, setText } from './dom.ts';
import { live } from './live.ts';
import type { Panel } from './panel.ts';
import { createPixels, NEGATIVE, POSITIVE, showSigned } from './pixels.ts';

/** The weights of the first layer as images, while they change. */
export function createFiltersPanel(root: HTMLElement, worker: Remote<Api>): Panel {
  const canvas = createPixels('Weights of the first layer');
  const caption = create('p', { className: 'hint' });
  const [least, most] = [create('span'), create('span')];
  const colors = create('span', { className: 'scale' });
  colors.style.background = `linear-gradient(to right, rgb(${NEGATIVE}), transparent, rgb(${POSITIVE}))`;
  root.append(canvas, create('p', { className: 'legend' }, least, colors, most), caption);
  let filters: FirstFilters | null = null;
  let drawnWidth = 0;
  const draw = () => {
    if (!filters) return;
    drawnWidth = root.clientWidth;
    const { kind, layer, count, height, width, channels, values, limit } = filters;
    const shown = values.length / (height * width * channels);
    const isConvolution = kind === 'convolution';
    const scale = isConvolution ? 8 : 2;
    const fitting = Math.max(1, Math.floor(drawnWidth / (scale * (width + 1))));
    // The fewest rows that fit, with equal lengths if possible.
    const columns = Math.ceil(shown / Math.ceil(shown / fitting));
    showSigned(canvas, values, filters, { columns, scale });
    setText(least, `-${limit.toFixed(2)}`);
    setText(most, `+${limit.toFixed(2)}`);
    const what = isConvolution ? 'filters' : 'units';
    const which = shown < count ? `the first ${shown} of ${count} ${what}` : `${count} ${what}`;
    const text = `${layer}: ${which}, ${height} x ${width} weights each${
      channels === 3 ? '; rows of three: red, green, blue' : ''
    }. Blue is below zero, orange above.`;
    setText(caption, text);
    canvas.setAttribute('aria-label', `${text} The largest weight is ${limit.toFixed(2)}.`);
  };
  const refresh = live(async () => {
    filters = await worker.filters();
    draw();
  }, 4);
  // A resized window needs other columns, also while the network is paused. Changes of the height come from the drawing itself.
  new ResizeObserver(() => root.clientWidth !== drawnWidth && draw()).observe(root);
  return { update: refresh };
}
