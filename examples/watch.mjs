// Watch a venue live: node watch.mjs 1 http://localhost:8000     (npm install socket.io-client)
import { io } from "socket.io-client";

const [venue, url = "http://localhost:8000"] = process.argv.slice(2);
const hub = io(url, { transports: ["websocket"] });
const known = { since: undefined }; // the version we know, and in which epoch

function hear(event) {
  const first = event.first_version ?? event.version; // a state may stand for several versions at once
  if (first <= known.since + 1 && event.version > known.since) {
    known.since = event.version;
    console.log(event.version, event.name, JSON.stringify(event.data));
  } else if (!(event.version <= known.since)) catchUp(); // one is missing: ask for it
}

// The first time comes a snapshot; with a known version, what happened since, unless that was too long ago.
async function catchUp() {
  const { ok, data, error } = await hub.emitWithAck("venues.watch", { venue_id: Number(venue), ...known });
  if (!ok) throw new Error(error.detail);
  if (data.snapshot) console.log(data.version, "snapshot", data.snapshot.venue.name);
  if (data.snapshot) Object.assign(known, { since: data.version, epoch: data.epoch });
  data.events?.forEach(hear);
  if (data.more) await catchUp();
}

hub.on("connect", catchUp); // again after every reconnect
hub.onAny((name, event) => event.version && hear(event)); // others are about the connection itself
