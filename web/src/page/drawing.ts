import { centerDigit } from './center-digit.ts';
import { create } from './dom.ts';

/** Side of the drawing area and width of the pen in pixels; scaled down, lines are about as thick as MNIST's. */
const AREA = 280;
const PEN = 22;

/**
 * An area to draw in with a mouse, pen or finger.
 * @param onChange called with the drawing as an MNIST image, at most once a frame; with null after it was cleared
 */
export function createDrawing(onChange: (pixels: Uint8Array | null) => void) {
  const canvas = create('canvas', {
    className: 'drawing',
    width: AREA,
    height: AREA,
    role: 'img',
    'aria-label': 'Area to draw a digit in, with a mouse, pen or finger. By keyboard, choose a test image instead.',
  });
  const pen = canvas.getContext('2d', { willReadFrequently: true })!;
  Object.assign(pen, { lineWidth: PEN, lineCap: 'round', lineJoin: 'round', strokeStyle: '#fff' });
  let last: [number, number] | null = null;
  let isReported = true;

  function report(): void {
    if (!isReported) return;
    isReported = false;
    requestAnimationFrame(() => {
      isReported = true;
      const { data } = pen.getImageData(0, 0, AREA, AREA);
      const ink = new Uint8Array(AREA * AREA);
      for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3]!;
      onChange(centerDigit(ink, AREA));
    });
  }

  function draw({ offsetX, offsetY }: PointerEvent): void {
    const scale = AREA / canvas.clientWidth;
    const [x, y] = [offsetX * scale, offsetY * scale];
    pen.beginPath();
    pen.moveTo(...(last ?? [x, y]));
    pen.lineTo(x, y);
    pen.stroke();
    last = [x, y];
    report();
  }

  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    last = null;
    draw(event);
  };
  canvas.onpointermove = (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    for (const one of event.getCoalescedEvents?.() ?? []) draw(one);
    draw(event);
  };

  function clear(): void {
    pen.clearRect(0, 0, AREA, AREA);
  }

  const hint = create('p', { className: 'hint' }, 'Draw in the black square, with a mouse, pen or finger.');
  const button = create('button', { type: 'button' }, 'Clear');
  button.onclick = () => {
    clear();
    report();
  };
  return { root: create('div', { className: 'draw' }, hint, canvas, button), clear };
}
