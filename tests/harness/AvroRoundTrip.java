import io.apicurio.registry.utils.converter.AvroConverter;
import java.io.FileReader;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;

/** Writes one value as Connect's worker would, with the settings of a properties file, and reads it back. */
public class AvroRoundTrip {
    public static void main(String[] arguments) throws Exception {
        Properties file = new Properties();
        try (FileReader reader = new FileReader(arguments[0])) {
            file.load(reader);
        }
        Map<String, Object> settings = new HashMap<>();
        file.forEach((key, value) -> settings.put((String) key, value));
        Schema schema = SchemaBuilder.struct().name("shop.Thing").field("id", Schema.INT64_SCHEMA).build();
        try (AvroConverter<Object> writer = new AvroConverter<>(); AvroConverter<Object> reader = new AvroConverter<>()) {
            writer.configure(settings, false);
            reader.configure(settings, false);
            byte[] bytes = writer.fromConnectData("shop_things", schema, new Struct(schema).put("id", 42L));
            System.out.println(HexFormat.of().formatHex(bytes));
            System.out.println(((Struct) reader.toConnectData("shop_things", bytes).value()).getInt64("id"));
        }
    }
}
