/** The library: the same steps as the command line, one by one. */

export { EXIT, type ExitCode, TuneError } from './base/errors.ts';
export { readMachine } from './base/machine/index.ts';
export { type BenchReport, BenchSchema } from './bench/contest/schema.ts';
export { CHECKS } from './doctor/checks/index.ts';
export { type DoctorReport, DoctorSchema } from './doctor/schema.ts';
export { askServices } from './facts/services/index.ts';
export { collectSettings, type SettingSources } from './facts/settings/collect.ts';
export { makePlan } from './plan/index.ts';
export type { PlanInput, Requested } from './plan/input.ts';
export type { Conditions, Measurement } from './plan/measurement.ts';
export type { Places } from './plan/places.ts';
export type { Preset } from './plan/preset.ts';
export { PlanSchema } from './plan/schema.ts';
export type * from './plan/types.ts';
export { type App, appsOf } from './render/apps.ts';
export { renderEcosystem } from './render/ecosystem.ts';
export { FORMATS, type Format, renderAs } from './render/formats.ts';
export { PRELOAD_CHOICES, type PreloadChoice } from './runtime/contract.ts';
export { type TopReport, TopSchema } from './runtime/watch/schema.ts';
export { type KeptMeasurement, MeasurementSchema } from './tune/measurements/kept.ts';
export type { TuneOptions } from './tune/options.ts';
export { loadPreset, presetNames } from './tune/presets.ts';
export { keepSecrets, type SecretsToKeep } from './tune/secrets/secrets-file.ts';
export { prepare, tune } from './tune/tune.ts';
export type { Tuned } from './tune/tuned.ts';
