import { createServer, type RequestListener } from "node:http";

/** A web server that answers with the address it was asked from. Run as: echo.ts ADDRESS PORT SOCKET; SOCKET appears when it serves. */
const [address, port, socket] = process.argv.slice(2);
const answer: RequestListener = (request, response) => {
  response.end(request.socket.remoteAddress);
};

createServer(answer).listen(Number(port), address, () => {
  createServer(answer).listen(socket);
});
