/** tilegrad on Dawn in Node. */
import { version } from '../../package.json';
import { openDevice } from '../../src/node.ts';
import { serve } from './engine.mjs';
import { tilegradProgram } from './tilegrad-program.ts';

const device = await openDevice();
await serve(version, tilegradProgram(device));
device.dispose();
