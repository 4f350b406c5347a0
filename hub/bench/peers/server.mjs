// The peer: Socket.IO on Node as its documentation shows it. node server.mjs PORT
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], pingInterval: 25000, pingTimeout: 20000 });

io.on("connection", (socket) => {
  socket.on("venues.watch", ({ venue_id }, answer) => {
    socket.join(`venue:${venue_id}`);
    answer({ ok: true, data: { room: `venue:${venue_id}`, version: 0 } });
  });
  socket.on("hub.time", (_, answer) => answer({ ok: true, data: { at: new Date().toISOString() } }));
  socket.on("tell", (envelope) => io.to(envelope.room).emit(envelope.name, envelope));
});

http.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
