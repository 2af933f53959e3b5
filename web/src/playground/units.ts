import type { Look } from './look.ts';
import { paintField } from './paint.ts';
import { MAX_LAYERS, MAX_UNITS, type Settings } from './settings.ts';
import { unitText } from './words.ts';

/** Small pictures of the outputs of the first network's hidden units over the plane, and buttons to change the layers. */
export function createUnits(root: HTMLElement, onLayers: (layers: readonly number[]) => void) {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const layers = document.createElement('div');
  const buttons = document.createElement('div');
  buttons.className = 'buttons';
  const hint = document.createElement('p');
  hint.className = 'hint';
  root.append(layers, buttons, hint);

  let settings: Settings | null = null;
  let look: Look | null = null;
  let pictures: HTMLCanvasElement[][] = [];

  const button = (text: string, label: string, isPossible: boolean, change: () => readonly number[]) => {
    const made = document.createElement('button');
    made.type = 'button';
    made.textContent = text;
    made.setAttribute('aria-label', label);
    made.disabled = !isPossible;
    made.addEventListener('click', () => {
      onLayers(change());
      // The buttons were replaced; move the focus to the new one with the same label.
      const again = root.querySelector<HTMLButtonElement>(`button[aria-label="${CSS.escape(label)}"]`);
      if (again && !again.disabled) again.focus();
    });
    return made;
  };

  function build({ layers: units, activation }: Settings): void {
    pictures = units.map((count, i) =>
      Array.from({ length: count }, (_, unit) => {
        const canvas = document.createElement('canvas');
        canvas.setAttribute('role', 'img');
        canvas.setAttribute('aria-label', `Layer ${i + 1}, unit ${unit + 1}`);
        return canvas;
      }),
    );
    layers.replaceChildren(
      ...units.flatMap((count, i) => {
        const head = document.createElement('div');
        head.className = 'layer';
        const title = document.createElement('h3');
        title.textContent = `Layer ${i + 1}: ${count} ${count === 1 ? 'unit' : 'units'}`;
        const withUnits = (n: number) => units.map((before, k) => (k === i ? n : before));
        head.append(
          title,
          button('−', `One unit less in layer ${i + 1}`, count > 1, () => withUnits(count - 1)),
          button('+', `One unit more in layer ${i + 1}`, count < MAX_UNITS, () => withUnits(count + 1)),
        );
        const list = document.createElement('ul');
        list.className = 'pictures';
        for (const canvas of pictures[i]!) {
          const item = document.createElement('li');
          item.append(canvas);
          list.append(item);
        }
        return [head, list];
      }),
    );
    buttons.replaceChildren(
      button('Add a layer', 'Add a layer', units.length < MAX_LAYERS, () => [...units, units.at(-1) ?? 4]),
      button('Remove a layer', 'Remove a layer', units.length > 0, () => units.slice(0, -1)),
    );
    hint.textContent =
      units.length === 0
        ? 'Without a hidden layer the boundary is a straight line.'
        : `What each unit computes at every place of the plane: blue above ${middleOf(activation)}${activation === 'relu' ? '' : ', orange below'}.`;
  }

  function paint(): void {
    if (!look || !settings) return;
    for (const [layer, units] of pictures.entries()) {
      const values = look.units[layer];
      if (!values || values.length % units.length !== 0) continue; // of the network before
      for (const [unit, canvas] of units.entries()) {
        const own = Array.from({ length: values.length / units.length }, (_, i) => values[i * units.length + unit]!);
        paintField(canvas, shades(own, settings.activation), dark.matches ? 'dark' : 'light');
        canvas.setAttribute('aria-label', unitText(layer + 1, unit + 1, own, middleOf(settings.activation)));
        canvas.title = `unit ${unit + 1}`;
      }
    }
  }
  dark.addEventListener('change', paint);

  return {
    configure(next: Settings): void {
      const isSame = settings?.layers.join() === next.layers.join() && settings.activation === next.activation;
      settings = next;
      if (!isSame) build(next);
    },
    update(next: Look): void {
      look = next;
      paint();
    },
  };
}

/**
 * Maps outputs to the color map, 0 to 1: outputs of a sigmoid unchanged, others with 0 in the middle. Unbounded ones are divided by the
 * largest.
 */
function shades(values: readonly number[], activation: Settings['activation']): Float32Array {
  if (activation === 'sigmoid') return Float32Array.from(values);
  const most = activation === 'tanh' ? 1 : Math.max(1e-6, ...values.map((value) => Math.abs(value)));
  return Float32Array.from(values, (value) => 0.5 + value / most / 2);
}

/** The output that has the middle color. */
const middleOf = (activation: Settings['activation']) => (activation === 'sigmoid' ? 0.5 : 0);
