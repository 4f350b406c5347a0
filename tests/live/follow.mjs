// Drives static/js/live.js for the tests: reads one JSON command a line, writes one JSON answer or notice a line.
// With --reduce it applies events to a snapshot, without any connection.
import { createInterface } from "node:readline";
import { applyEvent, begin, connect } from "../../static/js/live.js";

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const lines = createInterface({ input: process.stdin });

if (process.argv[2] === "--reduce") {
  for await (const line of lines) {
    const { snapshot, events } = JSON.parse(line);
    say(events.reduce(applyEvent, begin(snapshot)));
  }
} else {
  let token = process.argv[3] || null;
  const rooms = {};
  const hub = connect({ url: process.argv[2], token: () => token, onState: (state) => say({ state }) });
  const commands = {
    watch: ({ room, id, since, epoch }) => {
      const listeners = {
        since,
        epoch,
        onSnapshot: (_, news) => say({ snapshot: room, version: news.version }),
        onEvents: (_, envelopes) => say({ events: room, versions: envelopes.map((envelope) => envelope.version) }),
        onRefused: (error) => say({ refused: room, code: error.code }),
      };
      rooms[room] = { venue: () => hub.watchVenue(id, listeners), desk: () => hub.watchDesk(id, listeners), me: () => hub.watchMe(listeners) }[room]();
    },
    stop: ({ room }) => rooms[room].stop(),
    show: ({ room }) => say({ shown: room, state: rooms[room].state, version: rooms[room].version }),
    ask: async ({ name, payload }) => say(await hub.ask(name, payload).then((data) => ({ answer: data }), (error) => ({ refusal: error.problem }))),
    token: ({ value }) => {
      token = value;
      return hub.renew();
    },
    time: () => say({ time: hub.serverNow() }),
    cut: () => hub.socket.io.engine.transport.ws.terminate?.() ?? hub.socket.io.engine.close(),
    swallow: ({ count }) => {
      // Loses events between the socket and the follower, as nothing should.
      const packets = hub.socket.onevent;
      hub.socket.onevent = function (packet) {
        if (packet.data[0].includes(".") && count-- > 0) return undefined;
        return packets.call(this, packet);
      };
    },
  };
  for await (const line of lines) {
    const { command, ...rest } = JSON.parse(line);
    await commands[command](rest);
  }
  hub.close();
}
