import { escapeText } from '../escape.ts';
import { count } from '../format.ts';
import { seriesColor, tones } from '../theme.ts';
import type { FigureOf, ModelLayer } from './schema.ts';
import { svgDocument, svgTitle } from './svg.ts';

type ModelFigure = FigureOf<'model'>;

const BOX = { width: 310, height: 40 };
/** A box of one line. */
const LINE = { width: 520, height: 22 };
const GAP = { across: 22, down: 24, downLong: 14 };
const LANE = 12;
const PADDING = 14;
/** The model's input, among the names of layers. */
const INPUT = '';
/** Above this number of layers, boxes have one line and are closer. */
const MANY = 40;

interface Box {
  layer: ModelLayer;
  /** Row, counted from the input at 0: one below the lowest of its inputs. */
  depth: number;
  x: number;
  y: number;
}

/** Cuts text to a length. */
const cut = (text: string, length: number) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
const shapeText = (shape: readonly number[]) => (shape.length === 0 ? 'scalar' : shape.join(' × '));

/** Returns the color of a layer's family, for orientation in a long drawing. */
function familyColor(kind: string): string {
  if (/Conv/.test(kind)) return seriesColor(0);
  if (/Pooling/.test(kind)) return seriesColor(2);
  if (/Dense/.test(kind)) return seriesColor(1);
  if (/Normalization/.test(kind)) return seriesColor(4);
  if (/^(Add|Concatenate|Subtract|Multiply|Average|Maximum|Minimum)$/.test(kind)) return seriesColor(3);
  if (/^(Input|Functional|Sequential)$/.test(kind)) return seriesColor(5);
  return seriesColor(8);
}

/** The size of all boxes, and the room below each. */
interface Size {
  width: number;
  height: number;
  down: number;
}

/** Places the boxes: layers of equal depth are side by side, in the order in which they were applied. */
function layOut(figure: ModelFigure, { width, height, down }: Size): Box[] {
  const input = { name: INPUT, kind: 'Input', inbound: [], outputShape: figure.inputShape, parameters: 0 };
  const depths = new Map<string, number>([[input.name, 0]]);
  const rows: ModelLayer[][] = [[input]];
  for (const layer of figure.layers) {
    const depth = 1 + Math.max(...inputsOf(layer).map((name) => depths.get(name) ?? 0));
    depths.set(layer.name, depth);
    rows[depth] = [...(rows[depth] ?? []), layer];
  }
  const widest = Math.max(...rows.map((row) => row.length));
  const middle = PADDING + (widest * (width + GAP.across) - GAP.across) / 2;
  return rows.flatMap((row, depth) => {
    const left = middle - (row.length * (width + GAP.across) - GAP.across) / 2;
    return row.map((layer, i) => ({
      layer,
      depth,
      x: left + i * (width + GAP.across),
      y: depth * (height + down),
    }));
  });
}

const inputsOf = ({ inbound }: ModelLayer) => (inbound.length === 0 ? [INPUT] : inbound);

/**
 * Draws a model from its input at the top to its output at the bottom. Arrows between neighboring rows are straight. An arrow that skips
 * rows, such as a residual connection, passes them on the right, in its own lane.
 */
export function modelSvg(figure: ModelFigure): string {
  const isLong = figure.layers.length > MANY;
  const size: Size = isLong ? { ...LINE, down: GAP.downLong } : { ...BOX, down: GAP.down };
  const { width, height, down } = size;
  const boxes = layOut(figure, size);
  const byName = new Map(boxes.map((box) => [box.layer.name, box]));
  const right = Math.max(...boxes.map(({ x }) => x)) + width;
  const edges = boxes.slice(1).flatMap((to) =>
    inputsOf(to.layer).flatMap((name) => {
      const from = byName.get(name);
      return from ? [{ from, to }] : [];
    }),
  );
  const lanes: number[] = []; // for each lane, the depth down to which it is occupied
  const arrows = edges.map(({ from, to }) => {
    const [x1, y1] = [from.x + width / 2, from.y + height];
    const [x2, y2] = [to.x + width / 2, to.y];
    if (to.depth === from.depth + 1) {
      const bend = x1 === x2 ? `V${y2}` : `V${y1 + down / 3}H${x2}V${y2}`;
      return arrowSvg(`M${x1} ${y1}${bend}`, x2, y2);
    }
    let lane = lanes.findIndex((until) => until <= from.depth);
    if (lane < 0) lane = lanes.length;
    lanes[lane] = to.depth;
    const x = right + (lane + 1) * LANE;
    return arrowSvg(`M${x1} ${y1}V${y1 + down / 3}H${x}V${y2 - down / 2.2}H${x2}V${y2}`, x2, y2);
  });
  const total = right + lanes.length * LANE + PADDING;
  const heading = svgTitle(figure, total < 600 ? 'narrow' : 'wide', PADDING);
  const bottom = Math.max(...boxes.map(({ y }) => y)) + height;
  const content = [...arrows, ...boxes.map((box) => boxSvg(box, size, isLong))].join('\n');
  return svgDocument(
    total,
    heading.height + bottom + PADDING,
    `${heading.svg}<g transform="translate(0 ${heading.height})">${content}</g>`,
  );
}

/** Draws a line that ends in an arrow head at (x, y), pointing down. */
function arrowSvg(path: string, x: number, y: number): string {
  return (
    `<path d="${path}" fill="none" stroke="${tones.axis.light}" stroke-width="1.4" stroke-linejoin="round"/>` +
    `<path d="M${x - 3.5} ${y - 6}L${x} ${y}L${x + 3.5} ${y - 6}Z" fill="${tones.axis.light}"/>`
  );
}

function boxSvg({ layer, x, y }: Box, { width, height }: Size, isOneLine: boolean): string {
  const isInput = layer.name === INPUT;
  const color = familyColor(layer.kind);
  const text = (dx: number, dy: number, content: string, anchor: 'start' | 'end', tone: string, weight = 400) =>
    `<text x="${x + dx}" y="${y + dy}" font-size="11" font-weight="${weight}" text-anchor="${anchor}" fill="${tone}">${escapeText(content)}</text>`;
  const shape = shapeText(layer.outputShape);
  const parameters = layer.parameters > 0 ? count(layer.parameters) : '';
  const name = isInput ? 'input' : layer.name;
  const end = width - 8;
  const lines = isOneLine
    ? [
        text(12, 15, cut(name, 28), 'start', tones.ink.light, 600),
        text(226, 15, isInput ? '' : cut(layer.kind, 22), 'start', tones.faint.light),
        text(end - 58, 15, shape, 'end', tones.ink.light),
        text(end, 15, parameters, 'end', tones.faint.light),
      ]
    : [
        text(12, isInput ? 25 : 17, isInput ? 'input' : layer.kind, 'start', tones.ink.light, 600),
        text(12, 32, isInput ? '' : cut(name, 22), 'start', tones.faint.light),
        text(end, isInput ? 25 : 17, shape, 'end', tones.ink.light),
        text(end, 32, parameters ? `${parameters} parameters` : '', 'end', tones.faint.light),
      ];
  return (
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="4" fill="${tones.panel.light}" stroke="${tones.axis.light}"/>` +
    `<rect x="${x}" y="${y}" width="5" height="${height}" rx="2" fill="${color}"/>${lines.join('')}`
  );
}

/** Describes the model in words; a long one by its first and last layers. */
export function modelAlt({ title, inputShape, layers }: ModelFigure): string {
  const steps = layers.map(({ kind, outputShape }) => `${kind} (${shapeText(outputShape)})`);
  const path = steps.length > 16 ? [...steps.slice(0, 8), `${steps.length - 12} more`, ...steps.slice(-4)] : steps;
  const total = layers.reduce((sum, { parameters }) => sum + parameters, 0);
  return `${title}. ${layers.length} layers and ${count(total)} parameters, from an input of ${shapeText(inputShape)}: ${path.join(', ')}.`;
}
