import { version } from '../../package.json';
import { Device } from '../../src/index.ts';
import { tilegradProgram } from '../peers/tilegrad-program.ts';
import { createPageEngine } from './engine-in-page.ts';

const device = await Device.open((globalThis as unknown as { navigator: { gpu: GPU } }).navigator.gpu);
Object.assign(globalThis, { engine: createPageEngine(version, device.info.name, tilegradProgram(device)) });
