// The story of story.py with fhir-kit-client, unmodified: reads what is asked, prints what came.
import { readFileSync } from 'node:fs';
import { Client } from 'fhir-kit-client';

const { base, key, page, patient, bundles } = JSON.parse(readFileSync(0, 'utf8'));
const client = new Client({ baseUrl: base, customHeaders: { 'X-API-Key': key } });
const resourceType = 'Patient';
const status = async (promise) => {
  try {
    await promise;
    return 200;
  } catch (error) {
    return error.response?.status ?? String(error);
  }
};

for (const body of bundles) await client.transaction({ body });
const made = await client.create({ resourceType, body: patient });
const { id } = made;
const phone = { system: 'phone', value: '+14155550188' };
await client.update({ resourceType, id, body: { ...made, telecom: [phone] } });
const read = await client.read({ resourceType, id });
const taken = await status(client.create({ resourceType, body: patient }));
const late = { headers: { 'If-Match': 'W/"1"' } };
const stale = await status(client.update({ resourceType, id, body: read, options: late }));
await client.delete({ resourceType, id });
const gone = await status(client.read({ resourceType, id }));

const searchParams = { family: 'Kit', _count: page };
let found = await client.search({ resourceType, searchParams });
let pages = 0;
const seen = new Set();
for (; found; found = await client.nextPage({ bundle: found })) {
  pages += 1;
  for (const one of found.entry) seen.add(one.resource.id);
}
const counted = await client.search({
  resourceType, searchParams: { family: 'Kit', _summary: 'count' }, options: { postSearch: true },
});
console.log(JSON.stringify({
  version: made.meta.versionId, phone: read.telecom[0].value, changed: read.meta.versionId,
  taken, stale, gone, total: counted.total, pages, seen: seen.size,
}));
