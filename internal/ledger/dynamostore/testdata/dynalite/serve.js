// Serves dynalite, in memory, on a free port of the loopback, and prints the port. It ends when its standard input does:
// with the test that started it, however that ends.
const server = require('dynalite')({ createTableMs: 0, deleteTableMs: 0 })
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit()).resume()
