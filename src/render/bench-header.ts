/** First line of a report by `webui-tune bench --html`: by it we know a file of ours. */
export const BENCH_HEADER = '<!doctype html><!-- written by webui-tune bench -->';
