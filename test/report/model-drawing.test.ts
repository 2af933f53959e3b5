import { expect, test } from 'vitest';
import { lenet } from '../../experiments/lenet.ts';
import { mobileNetV2 } from '../../src/applications/mobilenet-v2-layers.ts';
import { Add, Conv2D, input, Model } from '../../src/index.ts';
import { drawFigure, renderPng } from '../../src/report/draw.ts';
import type { Figure } from '../../src/report/figures/schema.ts';
import { modelLayers } from '../../src/report/model-layers.ts';

function figureOf(model: Parameters<typeof modelLayers>[0], title: string): Extract<Figure, { type: 'model' }> {
  return { type: 'model', name: 'model', title, inputShape: [...model.inputShape], layers: modelLayers(model) };
}

const boxes = (svg: string) =>
  [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="(310|520)" height="(\d+)"/g)].map(
    ([, x, y, width, height]) => ({
      x: Number(x),
      y: Number(y),
      width: Number(width),
      height: Number(height),
    }),
  );
const arrows = (svg: string) => svg.match(/<path [^>]*fill="none"/g)?.length ?? 0;

test('a chain is a column of boxes with name, type, shape and parameters', async () => {
  const { svg, alt } = await drawFigure(figureOf(lenet().createModel(), 'LeNet-5'));
  expect(boxes(svg)).toHaveLength(9);
  expect(new Set(boxes(svg).map(({ x }) => x)).size).toBe(1);
  expect(arrows(svg)).toBe(8);
  for (const text of ['Conv2D', 'conv2d_1', '10 × 10 × 16', '2,416 parameters', '48,120 parameters']) {
    expect(svg).toContain(`>${text}<`);
  }
  expect(alt).toContain('8 layers and 62,006 parameters');
});

test('branches are side by side, no two boxes overlap, and every connection has an arrow', async () => {
  const x = input([8, 8, 4]);
  const conv = (name: string) => new Conv2D({ filters: 4, kernelSize: 3, padding: 'same', name });
  const stem = conv('stem').apply(x);
  const branches = [conv('left').apply(stem), conv('right').apply(conv('middle').apply(stem)), stem];
  const model = new Model({ inputs: x, outputs: new Add().apply(branches) });
  const { svg } = await drawFigure(figureOf(model, 'branches'));
  const drawn = boxes(svg);
  expect(drawn).toHaveLength(6);
  expect(arrows(svg)).toBe(7);
  for (const [i, a] of drawn.entries()) {
    for (const b of drawn.slice(i + 1)) {
      const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
      expect(apart).toBe(true);
    }
  }
  expect(new Set(drawn.map(({ x }) => x)).size).toBeGreaterThan(1);
});

test("the model's input may be added too; a layer used twice has two boxes and counts once", async () => {
  const x = input([8, 8, 4]);
  const shared = new Conv2D({ filters: 4, kernelSize: 3, padding: 'same', name: 'shared' });
  const model = new Model({ inputs: x, outputs: new Add().apply([shared.apply(shared.apply(x)), x]) });
  const figure = figureOf(model, 'shared');
  expect(figure.layers.map(({ name, inbound, parameters }) => [name, inbound, parameters])).toEqual([
    ['shared', [''], 148],
    ['shared (use 2)', ['shared'], 0],
    ['add', ['shared (use 2)', ''], 0],
  ]);
  const { svg, alt } = await drawFigure(figure);
  expect([boxes(svg).length, arrows(svg)]).toEqual([4, 4]);
  expect(alt).toContain('148 parameters');
});

test('connections that skip the same rows use separate lanes', async () => {
  const x = input([8, 8, 4]);
  const conv = (name: string) => new Conv2D({ filters: 4, kernelSize: 3, padding: 'same', name });
  const [a, b] = [conv('a').apply(x), conv('b')];
  const inner = b.apply(a);
  const add = new Add({ name: 'add' }).apply([inner, a]);
  const model = new Model({ inputs: x, outputs: new Add({ name: 'outer' }).apply([conv('c').apply(add), a, inner]) });
  const { svg } = await drawFigure(figureOf(model, 'leaps'));
  const lanes = [...svg.matchAll(/<path d="M[\d.]+ [\d.]+V[\d.]+H([\d.]+)V/g)].map((match) => Number(match[1]));
  expect(lanes).toHaveLength(3);
  expect(new Set(lanes).size).toBe(3);
  const right = Math.max(...boxes(svg).map(({ x, width }) => x + width));
  expect(Math.min(...lanes)).toBeGreaterThan(right);
});

test('a network of 155 layers is one column of lines with full-size text', async () => {
  const figure = figureOf(mobileNetV2(), 'MobileNetV2');
  expect(figure.layers).toHaveLength(155);
  const { svg, alt } = await drawFigure(figure);
  expect(boxes(svg)).toHaveLength(156);
  expect(svg).toContain('font-size="11"');
  expect(svg).toContain('>block_16_project_BN<');
  expect(alt.length).toBeLessThan(1000);
});

test('the PNG of a model of any length has a maximum size', async () => {
  const layers = Array.from({ length: 600 }, (_, i) => ({
    name: `layer ${i}`,
    kind: 'Dense',
    inbound: i === 0 ? [] : [`layer ${i - 1}`],
    outputShape: [8],
    parameters: 72,
  }));
  const { svg } = await drawFigure({ type: 'model', name: 'model', title: 'long', inputShape: [8], layers });
  const png = await renderPng(svg);
  expect(new DataView(png.buffer, png.byteOffset).getUint32(20)).toBeLessThanOrEqual(12_000);
});
