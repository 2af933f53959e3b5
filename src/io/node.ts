/** What reads and writes files, which only Node can. */
export {
  loadModel,
  loadNpy,
  loadSafetensors,
  loadWeights,
  saveModel,
  saveNpy,
  saveSafetensors,
  saveWeights,
} from './load-save.ts';
