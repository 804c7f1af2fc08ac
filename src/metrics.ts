/** What maps are worth, in numbers: `atrous-cam/metrics`. */
export { AtrousCamError, type ErrorCode } from './errors.js';
export { type GridLevels, type GridMap, type GridOptions, gridLevels, gridNumber } from './metrics/grid.js';
