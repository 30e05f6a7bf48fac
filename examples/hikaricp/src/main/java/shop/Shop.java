package shop;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;

/** A shop on HikariCP: places an order, and prints the revenue. */
public class Shop {
    /** Arguments: the JDBC URL, and the isolation level of the pool, which pins. */
    public static void main(String[] arguments) throws SQLException {
        HikariConfig config = config(arguments[0]);
        if (arguments.length > 1) {
            config.setTransactionIsolation(arguments[1]);
        }
        try (HikariDataSource pool = new HikariDataSource(config)) {
            place(pool, 3);
            System.out.println(revenue(pool));
        }
    }

    static HikariConfig config(String url) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(url);
        config.addDataSourceProperty("assumeMinServerVersion", "12");
        config.addDataSourceProperty("ApplicationName", "shop");
        config.setAutoCommit(false);
        config.setMaximumPoolSize(10);
        config.setMinimumIdle(1);
        config.setIdleTimeout(600_000); // ms; RDS Proxy closes an idle client after 30 min
        config.setMaxLifetime(1_740_000);
        return config;
    }

    static void place(HikariDataSource pool, int total) throws SQLException {
        try (Connection connection = pool.getConnection();
                var insert = connection.prepareStatement("INSERT INTO orders VALUES (?)")) {
            insert.setInt(1, total);
            insert.executeUpdate();
            connection.commit();
        }
    }

    static int revenue(HikariDataSource pool) throws SQLException {
        try (Connection connection = pool.getConnection();
                var query = connection.prepareStatement("SELECT sum(total) FROM orders");
                var rows = query.executeQuery()) {
            rows.next();
            int revenue = rows.getInt(1);
            connection.commit();
            return revenue;
        }
    }
}
