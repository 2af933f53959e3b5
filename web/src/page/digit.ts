import type { Remote } from 'comlink';
import { SETS } from '../sets.ts';
import type { Snapshot } from '../snapshot.ts';
import type { Api } from '../worker/api.ts';
import { createBars } from './bars.ts';
import { create, setText } from './dom.ts';
import { createDrawing } from './drawing.ts';
import { live, unlessGone } from './live.ts';
import type { Panel } from './panel.ts';
import { createPixels, showImage } from './pixels.ts';

/** Classifies a drawn digit or a selected test image, with the weights as they change. */
export function createDigitPanel(root: HTMLElement, worker: Remote<Api>): Panel {
  let data: Snapshot['settings']['data'] | null = null;
  /** The image to classify; null while nothing is drawn. */
  let image: Uint8Array | null = null;
  let isBusy = false;
  let isStale = false;
  const drawing = createDrawing((pixels) => {
    show(pixels, 'your drawing');
    void unlessGone(classify());
  });
  const field = create('input', {
    type: 'number',
    id: 'test-image',
    min: '1',
    onchange: () => void unlessGone(choose().then(classify)),
  });
  drawing.root.addEventListener('pointerdown', () => {
    field.value = '';
  });
  drawing.root.hidden = true; // until the data set is known
  const seen = createPixels('What the network sees');
  const caption = create('figcaption');
  const results = create('div');
  const bars = createBars(results);
  root.append(
    drawing.root,
    create(
      'div',
      {},
      create('figure', {}, seen, caption),
      create('label', { htmlFor: field.id }, 'Test image '),
      field,
    ),
    results,
  );

  /** Classifies the image, and repeats that if it has changed meanwhile. */
  async function classify(): Promise<void> {
    isStale = true;
    if (isBusy) return;
    isBusy = true;
    try {
      while (isStale) {
        isStale = false;
        const asked = image;
        const probabilities = asked && (await worker.classify(asked));
        if (asked === image) bars.show(SETS[data!].classes, probabilities, 'Nothing to classify yet');
      }
    } finally {
      isBusy = false;
    }
  }

  function show(pixels: Uint8Array | null, name: string): void {
    const { shape } = SETS[data!];
    image = pixels;
    showImage(seen, pixels ?? new Uint8Array(shape[0] * shape[1] * shape[2]), shape, 4);
    const text = pixels ? `What the network sees: ${name}` : 'Draw a digit, or choose a test image';
    seen.setAttribute('aria-label', text);
    setText(caption, text);
  }

  async function choose(): Promise<void> {
    const { value } = field;
    const found = await worker.testImage(Number(value) - 1);
    if (field.value !== value) return; // another one was chosen meanwhile, or a drawing begun
    field.max = String(found.size);
    if (!found.pixels) {
      setText(caption, `There are test images from 1 to ${found.size}`);
      return;
    }
    drawing.clear();
    show(found.pixels, `test image ${value}, labeled ${SETS[data!].classes[found.label]}`);
  }

  const refresh = live(async ({ settings, step }) => {
    if (settings.data !== data) {
      data = settings.data;
      const isDigits = data === 'mnist';
      drawing.root.hidden = !isDigits;
      setText(root.parentElement!.querySelector('h2')!, isDigits ? 'Draw a digit' : 'Classify an image');
      field.value = '1';
      await choose();
    }
    // Not before the first step, so that a click waits only for the kernels of that step.
    if (step > 0) await classify();
    else bars.show(SETS[data].classes, null, 'Not trained yet');
  }, 4);
  return { update: refresh };
}
