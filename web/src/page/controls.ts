import {
  ACTIVATIONS,
  addressOf,
  DATA,
  DEFAULT_RATES,
  DEFAULTS,
  formatSetting,
  hasEffect,
  NETWORKS,
  OPTIMIZERS,
  type OptimizerName,
  PENALTIES,
  type Settings,
  settingsFrom,
} from '../settings.ts';

/** Label of each setting, and its values if they are a list. */
const FIELDS: readonly [keyof Settings, string, Readonly<Record<string, string>>?][] = [
  ['data', 'Data', DATA],
  ['network', 'Network', NETWORKS],
  ['layers', 'Hidden layers'],
  ['activation', 'Activation', ACTIVATIONS],
  ['optimizer', 'Optimizer', OPTIMIZERS],
  ['rate', 'Learning rate'],
  ['batch', 'Batch size'],
  ['penalty', 'Penalty', PENALTIES],
  ['strength', 'Penalty strength'],
  ['replicas', 'Networks at once'],
  ['seed', 'Seed'],
];

/** The form of the settings. A valid change is reported at once; the reason for an invalid one is shown below the form. */
export function createControls(form: HTMLFormElement, onChange: (settings: Settings) => void) {
  let settings = DEFAULTS;
  const fields = new Map<keyof Settings, HTMLInputElement | HTMLSelectElement>();
  const labels = new Map<keyof Settings, HTMLLabelElement>();
  const problem = document.createElement('p');
  problem.className = 'hint wrong';
  problem.id = 'settings-problem';
  problem.setAttribute('role', 'alert');
  for (const [name, text, values] of FIELDS) {
    const field = values ? select(values) : document.createElement('input');
    field.id = `setting-${name}`;
    field.name = name;
    if (field instanceof HTMLInputElement) field.inputMode = name === 'layers' ? 'text' : 'decimal';
    const label = document.createElement('label');
    label.htmlFor = field.id;
    label.textContent = text;
    form.append(label, field);
    fields.set(name, field);
    labels.set(name, label);
    field.addEventListener('change', () => change(name, field.value));
  }
  const hint = document.createElement('p');
  hint.className = 'hint';
  hint.textContent =
    'Hidden layers: units of each, such as 128-64. Networks at once: they differ in their seeds, which begin with Seed. A change starts a new network.';
  form.append(hint, problem);
  form.addEventListener('submit', (event) => event.preventDefault());

  function change(name: keyof Settings, value: string): void {
    const params = new URLSearchParams(addressOf(settings));
    params.set(name, value.trim());
    if (name === 'optimizer') params.set('rate', String(DEFAULT_RATES[value as OptimizerName]));
    const { settings: next, reasons } = settingsFrom(params);
    if (reasons.length === 0) {
      show(next);
      onChange(next);
      return;
    }
    const field = fields.get(name)!;
    field.setAttribute('aria-invalid', 'true');
    field.setAttribute('aria-describedby', problem.id);
    problem.textContent = reasons.join(' ').replace(name, labels.get(name)!.textContent!);
  }

  /** Shows valid settings, and clears the errors of the form. */
  function show(next: Settings): void {
    settings = next;
    problem.textContent = '';
    for (const [name, field] of fields) {
      field.value = formatSetting(next[name]);
      field.setAttribute('aria-invalid', 'false');
      field.removeAttribute('aria-describedby');
      const isShown = hasEffect(name, next);
      field.hidden = !isShown;
      labels.get(name)!.hidden = !isShown;
    }
  }

  return {
    get settings() {
      return settings;
    },
    show,
  };
}

function select(values: Readonly<Record<string, string>>): HTMLSelectElement {
  const field = document.createElement('select');
  for (const [value, text] of Object.entries(values)) field.append(new Option(text, value));
  return field;
}
