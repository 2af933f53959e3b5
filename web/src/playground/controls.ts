import { checkSetting, FIELDS, type Settings } from './settings.ts';

type Values = Readonly<Record<string, string>>;
interface Control {
  key: keyof Settings;
  label: string;
  values?: Values;
  /** Ends and unit of a slider; undefined for other fields. */
  slider?: readonly [min: number, max: number, unit: string];
}

const GROUPS: readonly { title: string; controls: readonly Control[] }[] = [
  {
    title: 'Data',
    controls: [
      {
        key: 'data',
        label: 'Data set',
        values: {
          circles: 'Two circles',
          xor: 'Exclusive or',
          spirals: 'Two spirals',
          moons: 'Two moons',
          gaussians: 'Two Gaussians',
          own: 'Only my points',
        },
      },
      { key: 'noise', label: 'Noise', slider: [0, 50, '%'] },
      { key: 'share', label: 'Training share', slider: [10, 90, '%'] },
      { key: 'dataSeed', label: 'Data seed' },
    ],
  },
  {
    title: 'Network',
    controls: [
      { key: 'layers', label: 'Hidden layers' },
      {
        key: 'activation',
        label: 'Activation',
        values: { tanh: 'tanh', relu: 'ReLU', leakyRelu: 'leaky ReLU', sigmoid: 'sigmoid', linear: 'linear' },
      },
      { key: 'replicas', label: 'Networks at once' },
      { key: 'seed', label: 'Seed' },
    ],
  },
  {
    title: 'Training',
    controls: [
      {
        key: 'optimizer',
        label: 'Optimizer',
        values: { adam: 'Adam', rmsprop: 'RMSprop', momentum: 'SGD, momentum 0.9', sgd: 'SGD' },
      },
      { key: 'rate', label: 'Learning rate' },
      { key: 'batch', label: 'Batch size' },
      { key: 'penalty', label: 'Penalty', values: { none: 'none', l2: 'L2', l1: 'L1' } },
      { key: 'strength', label: 'Strength' },
    ],
  },
];

/** The form of the settings. A valid change is reported at once; the reason for an invalid one is shown below the fields. */
export function createControls(form: HTMLFormElement, onChange: (settings: Settings) => void) {
  let settings: Settings | null = null;
  const inputs = new Map<keyof Settings, HTMLInputElement | HTMLSelectElement>();
  const problem = document.createElement('p');
  problem.className = 'hint wrong';
  problem.id = 'settings-problem';
  problem.setAttribute('role', 'alert');
  for (const { title, controls } of GROUPS) {
    const group = document.createElement('fieldset');
    const legend = document.createElement('legend');
    legend.textContent = title;
    group.append(legend);
    for (const control of controls) {
      const input = inputOf(control);
      inputs.set(control.key, input);
      input.addEventListener('change', () => change(control, input.value.trim()));
      const label = document.createElement('label');
      label.htmlFor = input.id;
      label.textContent = control.label;
      group.append(label, control.slider ? withOutput(input, control.slider[2]) : input);
    }
    form.append(group);
  }
  const hint = document.createElement('p');
  hint.className = 'hint';
  hint.textContent =
    'Hidden layers: units of each, such as 8-4. Networks at once: they differ in their seeds, which begin with Seed. ' +
    'Optimizer, learning rate, batch size and penalty can change during training; other changes start over.';
  form.append(hint, problem);
  form.addEventListener('submit', (event) => event.preventDefault());

  function change({ key, label }: Control, text: string): void {
    if (!settings) return;
    const { value, problem: wrong } = checkSetting(key, text);
    const input = inputs.get(key)!;
    input.setAttribute('aria-invalid', String(wrong !== undefined));
    if (wrong === undefined) input.removeAttribute('aria-describedby');
    else input.setAttribute('aria-describedby', problem.id);
    problem.textContent = wrong === undefined ? '' : `${label} ${wrong}.`;
    if (wrong === undefined) onChange({ ...settings, [key]: value });
  }

  return {
    show(next: Settings): void {
      settings = next;
      for (const [key, input] of inputs) {
        input.value = (FIELDS[key].format as (value: unknown) => string)(next[key]);
        input.dispatchEvent(new Event('input')); // outputs of sliders
        input.setAttribute('aria-invalid', 'false');
      }
      problem.textContent = '';
      for (const part of [inputs.get('strength')!, form.querySelector<HTMLElement>('[for=setting-strength]')!]) {
        part.hidden = next.penalty === 'none';
      }
    },
  };
}

function inputOf({ key, values, slider }: Control): HTMLInputElement | HTMLSelectElement {
  const input = document.createElement(values ? 'select' : 'input');
  input.id = `setting-${key}`;
  input.name = FIELDS[key].name;
  if (input instanceof HTMLSelectElement) {
    for (const [value, text] of Object.entries(values!)) input.append(new Option(text, value));
  } else if (slider) {
    input.type = 'range';
    [input.min, input.max] = [String(slider[0]), String(slider[1])];
  } else {
    input.inputMode = key === 'layers' ? 'text' : 'decimal';
  }
  return input;
}

/** A slider with its value as text. */
function withOutput(input: HTMLInputElement | HTMLSelectElement, unit: string): HTMLElement {
  const both = document.createElement('div');
  both.className = 'slider';
  const output = document.createElement('output');
  output.htmlFor.add(input.id);
  input.addEventListener('input', () => {
    output.textContent = `${input.value}${unit}`;
    input.setAttribute('aria-valuetext', output.textContent);
  });
  both.append(input, output);
  return both;
}
