// SPDX-License-Identifier: Apache-2.0
// RestServer.java: Iceberg's own REST test service on loopback, over a JdbcCatalog.
//
//   java -cp 'LIB/*' RestServer.java PORT KEY=VALUE…
//
// PORT 0 takes a free one; the line "listening on PORT" is printed when the service answers. The settings are those of
// JdbcCatalog (uri, warehouse, io-impl, s3.*). The main class that comes with the service listens on every interface, this
// one on 127.0.0.1 only. There is no authentication: for tests.
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

public class RestServer {
    public static void main(String[] arguments) throws Exception {
        Map<String, String> settings = new HashMap<>();
        // One connection to SQLite: two of the same process would answer "database is locked" to each other.
        settings.put("clients", "1");
        settings.put("jdbc.schema-version", "V1");
        for (int i = 1; i < arguments.length; i++) {
            int equals = arguments[i].indexOf('=');
            settings.put(arguments[i].substring(0, equals), arguments[i].substring(equals + 1));
        }
        settings.put("catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog");
        Catalog catalog =
                CatalogUtil.buildIcebergCatalog(
                        "interop", settings, new org.apache.hadoop.conf.Configuration());

        Server server =
                new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])));
        ServletContextHandler context =
                new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
        context.addServlet(
                new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
        server.setHandler(context);
        server.start();
        int port = ((ServerConnector) server.getConnectors()[0]).getLocalPort();
        System.out.println("listening on " + port);
        System.out.flush();
        server.join();
    }
}
