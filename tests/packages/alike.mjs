// The worker of a bundle under Node.js: is asked what stands on stdin, and writes its answers to stdout, all as JSON.
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const [bundle, origin] = process.argv.slice(2);
const { default: worker } = await import(pathToFileURL(bundle));
const answers = [];
for (const { path, method, headers, body } of JSON.parse(await text(process.stdin))) {
  const request = new Request(new URL(path, origin), { method, headers, body });
  const response = await worker.fetch(request, {}, { waitUntil() {} });
  answers.push({ status: response.status, headers: [...response.headers], text: await response.text() });
}
console.log(JSON.stringify(answers));
