/** The library: the same steps as the command line, one by one. */
export { CHECKS } from './doctor/checks/index.ts';
export { type DoctorReport, DoctorSchema } from './doctor/schema.ts';
export { EXIT, type ExitCode, TuneError } from './errors.ts';
export { readMachine } from './machine/index.ts';
export { makePlan } from './plan/index.ts';
export type { PlanInput, Wish } from './plan/input.ts';
export { loadPreset, presetNames } from './presets.ts';
export { type App, appsOf } from './render/apps.ts';
export { renderEcosystem } from './render/ecosystem.ts';
export { FORMATS, type Format, renderAs } from './render/formats.ts';
export { PRELOAD_CHOICES, type PreloadChoice } from './runtime/contract.ts';
export { PlanSchema } from './schema.ts';
export { askServices } from './services/index.ts';
export { collectSettings, type SettingSources } from './settings/collect.ts';
export { keepSecrets, type SecretsToKeep } from './settings/secrets-file.ts';
export { prepare, type Tuned, type TuneOptions, tune } from './tune.ts';
export type * from './types.ts';
