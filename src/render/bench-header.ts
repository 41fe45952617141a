/** First line of a report by `webui-tune bench --html`: it marks the file as ours. */
export const BENCH_HEADER = '<!doctype html><!-- written by webui-tune bench -->';
