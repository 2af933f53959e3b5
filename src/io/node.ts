/** Functions and callbacks that read and write files, for Node only. */
export { BackupAndRestore, type BackupAndRestoreOptions } from './backup.ts';
export {
  loadKeras,
  loadKerasWeights,
  loadModel,
  loadNpy,
  loadSafetensors,
  loadWeights,
  saveModel,
  saveNpy,
  saveSafetensors,
  saveWeights,
} from './load-save.ts';
export { CSVLogger, JSONLLogger, type LoggerOptions } from './loggers.ts';
export { ModelCheckpoint, type ModelCheckpointOptions } from './model-checkpoint.ts';
export { TensorBoard, type TensorBoardOptions } from './tensorboard.ts';
