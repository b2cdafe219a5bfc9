// Make the replica set and its accounts, once, on the first member:
//
//     mongosh --tls --tlsCAFile /etc/ewms/tls/ca.crt --host localhost initiate.js
//
// Only from the machine itself MongoDB lets you make the first account. It asks for the passwords: that of `admin` twice. Each service may read and write its own database, and nothing more.
rs.initiate({
  _id: "ewms",
  members: [
    { _id: 0, host: "db1.example.org:27017" },
    { _id: 1, host: "db2.example.org:27017" },
    { _id: 2, host: "db3.example.org:27017" },
  ],
  // Another member takes over after about 5 s; by default after 10 s.
  settings: { electionTimeoutMillis: 5000, heartbeatIntervalMillis: 1000 },
});
while (!db.hello().isWritablePrimary) sleep(500);
db.getSiblingDB("admin").createUser({ user: "admin", pwd: passwordPrompt(), roles: ["root"] });
db.getSiblingDB("admin").auth("admin", passwordPrompt());
db.getSiblingDB("WMS_DB").createUser({ user: "wms", pwd: passwordPrompt(), roles: ["readWrite"] });
db.getSiblingDB("MQS_DB").createUser({ user: "mqs", pwd: passwordPrompt(), roles: ["readWrite"] });
