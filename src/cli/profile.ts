import { join } from 'node:path';
import { writeAtomically } from '../report/run-folder.ts';
import { chromeTrace } from '../report/trace.ts';
import type { Profile } from '../tuner/profile.ts';
import type { Engine, EngineDevice, EngineLoader, EngineModel } from './engine.ts';
import type { Network, Settings } from './experiment.ts';
import { line, type OutputStream } from './io.ts';

/** Profiles a training step of a network, and leaves `profile.json` and a trace for chrome://tracing in the run's folder. */
export async function profileNetwork(
  network: Network,
  data: unknown,
  place: { engine: Engine; device: EngineDevice; folder: string; settings: Settings; text: OutputStream },
): Promise<Profile> {
  const { engine, device, folder, settings, text } = place;
  line(text, '\nProfiling a training step');
  const model = network.createModel() as EngineModel;
  try {
    model.build(device, { seed: 1 });
    model.compile(network.compile());
    const profile = await engine.profileStep(model, data as EngineLoader, { batchSize: settings.batchSize });
    writeAtomically(join(folder, 'profile.json'), `${JSON.stringify(profile, null, 2)}\n`);
    writeAtomically(join(folder, 'trace.json'), `${JSON.stringify(chromeTrace(profile))}\n`);
    return profile;
  } finally {
    model.dispose();
  }
}
