import { join } from 'node:path';
import type { ImageSet } from '../data/types.ts';
import { writeRunFile } from '../report/run-folder.ts';
import { chromeTrace } from '../report/trace.ts';
import type { Profile } from '../tuner/profile.ts';
import type { Engine, EngineDevice, EngineLoader, EngineModel } from './engine.ts';
import type { Network, Settings } from './experiment.ts';
import { type OutputStream, writeLine } from './io.ts';

/** Profiles a training step of a network, and writes `profile.json` and a trace for chrome://tracing in the run's folder. */
export async function profileNetwork(
  network: Network,
  images: ImageSet,
  context: { engine: Engine; device: EngineDevice; folder: string; settings: Settings; text: OutputStream },
): Promise<Profile> {
  const { engine, device, folder, settings, text } = context;
  writeLine(text, '\nProfiling a training step');
  const model = network.createModel() as EngineModel;
  let data: EngineLoader | undefined;
  try {
    model.build(device, { seed: 1 });
    model.compile(network.compile());
    data = engine.createLoader(device, withClasses(images, model.outputShape.at(-1)!));
    const profile = await engine.profileStep(model, data, { batchSize: settings.batchSize });
    writeRunFile(join(folder, 'profile.json'), `${JSON.stringify(profile, null, 2)}\n`);
    writeRunFile(join(folder, 'trace.json'), `${JSON.stringify(chromeTrace(profile))}\n`);
    return profile;
  } finally {
    data?.dispose();
    model.dispose();
  }
}

/** Returns images with labels for `outputs` classes. Experiments may train with fewer or more outputs than classes; the time of a step is the same. */
function withClasses(images: ImageSet, outputs: number): ImageSet {
  const classes = Array.from({ length: outputs }, (_, c) => images.classes[c] ?? `class ${c}`);
  return { ...images, labels: images.labels.map((label) => label % outputs), classes };
}
