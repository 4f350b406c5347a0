// The peer: bookings by Fastify, pg and Socket.IO as their documentation shows them, on two processes of one cluster.
// node shop.mjs PORT; PG* name the database, SECRET (hex) signs the tokens. Like most of its kind it looks first and
// writes then, so two who ask for one slot at the same moment both get it; of a session's places it locks the counter.
import cluster from "node:cluster";
import jwt from "@fastify/jwt";
import { createAdapter, setupPrimary } from "@socket.io/cluster-adapter";
import Fastify from "fastify";
import pg from "pg";
import { Server } from "socket.io";

const PROCESSES = 2;
const { VENUES, ROOMS_EACH, SESSIONS } = process.env;

const SCHEMA = `
  CREATE TABLE rooms (id bigserial PRIMARY KEY, venue_id bigint NOT NULL, price bigint NOT NULL);
  CREATE TABLE sessions (id bigserial PRIMARY KEY, venue_id bigint NOT NULL, price bigint NOT NULL,
                         capacity int NOT NULL, taken int NOT NULL DEFAULT 0);
  CREATE TABLE bookings (id bigserial PRIMARY KEY, user_id bigint NOT NULL, venue_id bigint NOT NULL, room_id bigint,
                         session_id bigint, starts_at timestamptz, ends_at timestamptz, price bigint NOT NULL,
                         status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
  CREATE INDEX bookings_of_room ON bookings (room_id, starts_at);
  CREATE INDEX bookings_of_user ON bookings (user_id);`;

async function fill() {
  const db = new pg.Client();
  await db.connect();
  await db.query(SCHEMA);
  await db.query("INSERT INTO rooms (venue_id, price) SELECT v, 1000 FROM generate_series(1, $1::int) v, generate_series(1, $2::int) ORDER BY v", [VENUES, ROOMS_EACH]);
  await db.query("INSERT INTO sessions (venue_id, price, capacity) SELECT 1, 0, c FROM unnest($1::int[]) c", [JSON.parse(SESSIONS)]);
  await db.query("ANALYZE");
  await db.end();
}

async function slot(db, userId, item) {
  const { rows: [room] } = await db.query("SELECT venue_id, price FROM rooms WHERE id = $1", [item.room_id]);
  const taken = await db.query("SELECT 1 FROM bookings WHERE room_id = $1 AND starts_at < $3 AND ends_at > $2 AND status = 'confirmed' LIMIT 1",
    [item.room_id, item.starts_at, item.ends_at]);
  if (taken.rowCount) return null;
  const { rows: [booking] } = await db.query(
    `INSERT INTO bookings (user_id, venue_id, room_id, starts_at, ends_at, price, status)
     VALUES ($1, $2, $3, $4, $5, $6, 'confirmed') RETURNING id, user_id, venue_id, room_id, starts_at, ends_at, price, status`,
    [userId, room.venue_id, item.room_id, item.starts_at, item.ends_at, room.price]);
  return booking;
}

async function place(db, userId, item) {
  const { rows: [session] } = await db.query("SELECT venue_id, price, capacity, taken FROM sessions WHERE id = $1 FOR UPDATE", [item.session_id]);
  if (session.taken >= session.capacity) return null;
  await db.query("UPDATE sessions SET taken = taken + 1 WHERE id = $1", [item.session_id]);
  const { rows: [booking] } = await db.query(
    `INSERT INTO bookings (user_id, venue_id, session_id, price, status)
     VALUES ($1, $2, $3, $4, 'confirmed') RETURNING id, user_id, venue_id, session_id, price, status`,
    [userId, session.venue_id, item.session_id, session.price]);
  return booking;
}

const body = {
  type: "object",
  required: ["items"],
  properties: {
    items: {
      type: "array", minItems: 1, maxItems: 1,
      items: {
        type: "object",
        required: ["kind"],
        properties: {
          kind: { enum: ["slot", "place"] }, room_id: { type: "integer" }, session_id: { type: "integer" },
          starts_at: { type: "string", format: "date-time" }, ends_at: { type: "string", format: "date-time" },
        },
      },
    },
  },
};

async function serve(port) {
  const app = Fastify({ logger: true });
  const pool = new pg.Pool({ max: 10 });
  const io = new Server(app.server, { transports: ["websocket"], pingInterval: 25000, pingTimeout: 20000, adapter: createAdapter() });
  await app.register(jwt, { secret: Buffer.from(process.env.SECRET, "hex"), verify: { allowedAud: "hub", allowedIss: "booking-hub" } });

  io.on("connection", (socket) => {
    socket.on("venues.watch", ({ venue_id }, answer) => {
      socket.join(`venue:${venue_id}`);
      answer({ ok: true, data: { room: `venue:${venue_id}`, version: 0 } });
    });
  });

  app.get("/health", async () => ({ status: "ok" }));
  app.post("/api/v1/bookings", { schema: { body }, onRequest: (request) => request.jwtVerify() }, async (request, reply) => {
    const item = request.body.items[0];
    const userId = Number(request.user.sub);
    const db = await pool.connect();
    let booking;
    try {
      await db.query("BEGIN");
      booking = await (item.kind === "slot" ? slot : place)(db, userId, item);
      await db.query(booking ? "COMMIT" : "ROLLBACK");
    } catch (error) {
      await db.query("ROLLBACK");
      throw error;
    } finally {
      db.release();
    }
    if (!booking) return reply.code(409).send({ code: "not_available" });
    const { venue_id, room_id, session_id, starts_at, ends_at } = booking;
    io.to(`venue:${venue_id}`).emit("availability.changed", { venue_id, room_id, session_id, starts_at, ends_at, state: "taken" });
    return reply.code(201).send(booking);
  });
  await app.listen({ port, host: "127.0.0.1" });
}

if (cluster.isPrimary) {
  await fill();
  setupPrimary();
  for (let n = 0; n < PROCESSES; n++) cluster.fork();
  process.on("SIGTERM", () => process.exit(0));
} else {
  await serve(Number(process.argv[2]));
}
