export type { SectionPart } from './blocks.ts';
export {
  compare,
  heading,
  lastFigures,
  type MeasuredRowOptions,
  measuredRow,
  preformatted,
  section,
  table,
  testFigures,
} from './checked-blocks.ts';
export type { BlockInput, Cell, ComparisonInput, Section } from './content.ts';
export { createReport, type ReportDocument, type ReportOptions } from './document.ts';
export type { Figure } from './figures/schema.ts';
export {
  type PlotFiltersOptions,
  type PlotImagesOptions,
  type PlottedArray,
  type PlottedImages,
  plotFilters,
  plotImages,
} from './image-plots.ts';
export { Plot } from './plot.ts';
export {
  type BarValues,
  type PlotBarsOptions,
  type PlotConfusionMatrixOptions,
  type PlotCurvesOptions,
  type PlotHistogramOptions,
  type PlotHistoryOptions,
  type PlotOptions,
  type PlottedHistory,
  type PlottedModel,
  plotBars,
  plotConfusionMatrix,
  plotCurves,
  plotHistogram,
  plotHistory,
  plotModel,
} from './plots.ts';
export type { Training } from './training.ts';
