// Medians of all rounds as one table, then the ratios that the project holds itself to.

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const number = (value, digits = 0) => value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const micros = (value) => (value < 10_000 ? `${number(value)} us` : `${number(value / 1000, 1)} ms`);
const ratio = (value) => (Number.isFinite(value) ? `${number(value, value < 10 ? 2 : 0)} x` : '-');

/** Prints everything that was measured; `samples` is peer -> scenario -> list of runs. */
export function print(samples, scenarios) {
  const medians = (peer, name) => {
    const runs = samples[peer]?.[name] ?? [];
    if (runs.length === 0) return undefined;
    return Object.fromEntries(Object.keys(runs[0]).map((key) => [key, median(runs.map((run) => run[key]))]));
  };

  const rows = [['scenario', 'server', 'requests/s', 'p50', 'p99', 'CPU a request', 'resident']];
  for (const { name } of scenarios) {
    for (const peer of Object.keys(samples)) {
      const m = medians(peer, name);
      if (!m) continue;
      rows.push([
        name, peer, number(m.requestsPerSecond, m.requestsPerSecond < 100 ? 1 : 0), micros(m.p50), micros(m.p99),
        micros(m.cpuMicros), `${number(m.residentBytes / 2 ** 20)} MiB`,
      ]);
    }
  }
  table(rows);

  if (samples.doer && samples.workerd) {
    const ratios = [['doer / workerd', 'requests/s', 'requests a CPU-second']];
    for (const { name } of scenarios.filter(({ only }) => !only)) {
      const [ours, theirs] = [medians('doer', name), medians('workerd', name)];
      ratios.push([name, ratio(ours.requestsPerSecond / theirs.requestsPerSecond), ratio(theirs.cpuMicros / ours.cpuMicros)]);
    }
    table(ratios);
  }

  const own = [['of the echo route of the same server', 'requests/s', 'requests a CPU-second']];
  for (const peer of Object.keys(samples)) {
    const echo = medians(peer, 'echo');
    for (const { name } of scenarios.filter(({ name }) => /^(cold|warm|rpc)/.test(name))) {
      const m = medians(peer, name);
      if (!m) continue;
      own.push([`${peer} ${name}`, ratio(m.requestsPerSecond / echo.requestsPerSecond), ratio(echo.cpuMicros / m.cpuMicros)]);
    }
  }
  table(own);
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  process.stdout.write(`${[line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n')}\n\n`);
}
